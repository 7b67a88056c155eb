/// The change contradicts what is recorded: an unknown, repeated or unstorable record. Nothing was
/// stored. The caller's validation under the lock should have found it; it is not to be retried.
public struct InvalidChange: Error, Hashable, Sendable {
  /// Fixed text without values.
  public var message: String

  public init(_ message: String) { self.message = message }
}
