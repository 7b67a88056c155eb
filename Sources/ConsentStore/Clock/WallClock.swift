public import ConsentCore

/// The service's own clock: an argument everywhere, so that tests can move it.
public protocol WallClock: Sendable {
  func now() -> Instant
  /// Why the time may not be believed; `nil` if it may. Meanwhile nothing is permitted and nothing
  /// expires.
  var doubt: String? { get }
}

extension WallClock {
  public var doubt: String? { nil }
}
