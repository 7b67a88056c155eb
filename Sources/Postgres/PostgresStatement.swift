/// An SQL statement with a name. A connection prepares it once, when it is first used.
///
/// INVARIANT: one name belongs to one text, and to one list of parameter types. A connection
/// refuses a second one.
public struct PostgresStatement: Sendable, Hashable {
  public let name: String
  public let sql: String

  public init(name: String, sql: String) {
    self.name = name
    self.sql = sql
  }
}
