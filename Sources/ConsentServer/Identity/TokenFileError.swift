/// Why a file of callers or issuers cannot be used: which file, where in it, and what to do.
public struct TokenFileError: Error, CustomStringConvertible, Sendable {
  public var description: String
  init(_ description: String) { self.description = description }
}
