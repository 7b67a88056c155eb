internal import Postgres

/// What a server must be for its commits to be believed and its row security to hold.
enum ServerRequirements {
  static func check(_ connection: PostgresConnection) throws {
    guard connection.serverVersion >= 150_000 else {
      throw StoreError.unavailable("PostgreSQL 15 or later is needed; upgrade the server")
    }
    let (fsync, fullPageWrites, recovering, bypasses) = try connection.execute(.requirements)
      .single().decode(String.self, String.self, Bool.self, Bool.self)
    guard fsync == "on" else {
      throw StoreError.unavailable("fsync is off: a commit may be lost; turn it on")
    }
    guard fullPageWrites == "on" else {
      throw StoreError.unavailable("full_page_writes is off: a crash may tear pages; turn it on")
    }
    guard !recovering else {
      throw StoreError.unavailable("the database is in recovery; it is not the primary")
    }
    guard !bypasses else {
      throw StoreError.unavailable("the login bypasses row security; use consentd_server")
    }
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
