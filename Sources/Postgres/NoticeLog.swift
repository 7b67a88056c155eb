internal import CLibpq

/// Keeps what the server remarks beside its results. libpq would print it.
final class NoticeLog {
  private var notices: [PostgresNotice] = []
  private(set) var warningCount = 0
  /// The server said, while nothing was asked of it, that it ends the session.
  private(set) var sessionHasEnded = false

  /// Enough to see what went wrong, and no way to grow.
  private static let limit = 32

  @unsafe func receive(_ result: OpaquePointer) {
    let severity = unsafe DiagnosticField.severity.text(of: result) ?? "NOTICE"
    let sqlState = unsafe DiagnosticField.sqlState.text(of: result) ?? "00000"
    let message = unsafe DiagnosticField.message.text(of: result) ?? ""
    let notice = PostgresNotice(
      severity: severity, sqlState: sqlState,
      message: ServerMessage.withoutValues(message, sqlState: sqlState))
    if notice.isWarning { warningCount += 1 }
    if severity == "FATAL" || severity == "PANIC" { sessionHasEnded = true }
    if notices.count == Self.limit { notices.removeFirst() }
    notices.append(notice)
  }

  func take() -> [PostgresNotice] {
    defer { notices.removeAll() }
    return notices
  }

  func removeAll() { notices.removeAll() }
}

/// The parts of an error or notice that we read (PostgreSQL manual, "Error and Notice Message
/// Fields"). DETAIL, HINT and CONTEXT are not among them.
enum DiagnosticField: UInt8 {
  /// The severity in English, whatever the server's language.
  case severity = 0x56  // V
  case sqlState = 0x43  // C
  case message = 0x4D  // M
  case table = 0x74  // t
  case constraint = 0x6E  // n

  @unsafe func text(of result: OpaquePointer) -> String? {
    guard let text = unsafe PQresultErrorField(result, Int32(rawValue)) else { return nil }
    return unsafe String(cString: text)
  }
}

enum ServerMessage {
  /// The primary message, unless it is of a kind that repeats the data it complains of.
  ///
  /// Class 22 (data exception) quotes the value, and class P0 is text from a function. The others
  /// speak of names in our schema.
  static func withoutValues(_ message: String, sqlState: String) -> String {
    if sqlState.hasPrefix("22") { return "the data do not fit their type" }
    if sqlState.hasPrefix("P0") { return "a function in the database refused" }
    return message
  }
}
