/// One thing wrong with a command, named by the field's path in the request
/// (`google.rpc.BadRequest.FieldViolation`). The description says what to do; it holds no values.
public struct FieldViolation: Error, Hashable, Sendable, Codable {
  public var field: String
  public var description: String

  public init(_ field: String, _ description: String) {
    self.field = field
    self.description = description
  }
}

/// Why a command changes nothing.
public enum CommandRefusal: Error, Hashable, Sendable {
  /// INVALID_ARGUMENT: the command is wrong whatever the state.
  case invalid([FieldViolation])
  /// FAILED_PRECONDITION: the state, or the law, does not allow it; the text says what would.
  case notAllowed(rule: String, description: String)
  /// NOT_FOUND: the named record is not this organization's or does not exist.
  case unknownRecord(RecordReference)
}
