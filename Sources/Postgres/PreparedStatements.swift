/// What this session has prepared.
struct PreparedStatements {
  struct Entry {
    let sql: String
    let types: [PostgresType]
    let serverName: String
  }

  private var entries: [String: Entry] = [:]
  private var forgotten = 0

  /// The entry for `statement`, `nil` when it must be prepared first.
  /// - Throws: `.misuse` when the name already belongs to other SQL or other parameter types.
  func entry(
    for statement: PostgresStatement, types: [PostgresType]
  ) throws(PostgresError) -> Entry? {
    guard let entry = entries[statement.name] else { return nil }
    guard entry.sql == statement.sql else {
      throw PostgresError(
        .misuse, "two statements have one name; rename one", statement: statement.name)
    }
    guard entry.types == types else {
      throw PostgresError(
        .misuse, "the parameter types differ from those of the first use",
        statement: statement.name)
    }
    return entry
  }

  func newEntry(for statement: PostgresStatement, types: [PostgresType]) -> Entry {
    // A forgotten statement may still exist on the server, so its name is not taken again.
    let suffix = forgotten == 0 ? "" : "#\(forgotten)"
    return Entry(sql: statement.sql, types: types, serverName: statement.name + suffix)
  }

  mutating func insert(_ entry: Entry, for statement: PostgresStatement) {
    entries[statement.name] = entry
  }

  mutating func forget(_ name: String) {
    if entries.removeValue(forKey: name) != nil { forgotten += 1 }
  }
}
