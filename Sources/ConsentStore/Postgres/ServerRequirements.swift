internal import Postgres

/// What a server must be for its commits to be believed and its row security to hold.
struct ServerRequirements {
  /// As in `server_version_num`.
  var version: Int32
  var fsync: String
  var fullPageWrites: String
  var isInRecovery: Bool
  var bypassesRowSecurity: Bool

  /// What is wrong and what to do; `nil` if the server may be used.
  var problem: String? {
    if version < 150_000 { return "PostgreSQL 15 or later is needed; upgrade the server" }
    if fsync != "on" { return "fsync is off: a commit may be lost; turn it on" }
    if fullPageWrites != "on" {
      return "full_page_writes is off: a crash may tear pages; turn it on"
    }
    if isInRecovery { return "the database is in recovery; it is not the primary" }
    if bypassesRowSecurity { return "the login bypasses row security; use consentd_server" }
    return nil
  }

  static func check(_ connection: PostgresConnection) throws {
    let (fsync, fullPageWrites, recovering, bypasses) = try connection.execute(.requirements)
      .single().decode(String.self, String.self, Bool.self, Bool.self)
    let found = ServerRequirements(
      version: connection.serverVersion, fsync: fsync, fullPageWrites: fullPageWrites,
      isInRecovery: recovering, bypassesRowSecurity: bypasses)
    if let problem = found.problem { throw StoreError.unavailable(problem) }
  }
}

extension PostgresStatement {
  fileprivate static let requirements = PostgresStatement(
    name: "server_requirements",
    sql: """
      SELECT pg_catalog.current_setting('fsync'), pg_catalog.current_setting('full_page_writes'),
        pg_catalog.pg_is_in_recovery(), rolsuper OR rolbypassrls
      FROM pg_catalog.pg_roles WHERE rolname = current_user
      """)
}
