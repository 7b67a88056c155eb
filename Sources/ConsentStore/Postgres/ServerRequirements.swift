internal import Postgres

/// What a server must be for its commits to be believed and its row security to hold.
struct ServerRequirements {
  /// As in `server_version_num`.
  var version: Int32
  var bypassesRowSecurity: Bool
  var state: ServerState

  /// What is wrong and what to do; `nil` if the server may be used.
  var problem: String? {
    if version < 150_000 { return "PostgreSQL 15 or later is needed; upgrade the server" }
    if bypassesRowSecurity { return "the login bypasses row security; use consentd_server" }
    return state.problem
  }

  static func check(_ connection: PostgresConnection) throws {
    let row = try connection.execute(.requirements).single()
    let found = ServerRequirements(
      version: connection.serverVersion, bypassesRowSecurity: try row.get(0),
      state: try ServerState(row, from: 1))
    if let problem = found.problem { throw StoreError.unavailable(problem) }
  }
}

/// What may change while a server runs, and is looked at in every transaction.
struct ServerState: Equatable {
  var isInRecovery: Bool
  /// `default_transaction_read_only`: an operator, or a service whose disk fills, wants no writes.
  var readOnly: String
  var fsync: String
  var fullPageWrites: String
  /// Of this session, whatever server, database and role say.
  var synchronousCommit: String

  var problem: String? {
    if isInRecovery { return "the database is in recovery; it is not the primary" }
    if readOnly != "off" {
      return "default_transaction_read_only is on: the database is to take no writes; turn it off"
    }
    if fsync != "on" { return "fsync is off: a commit may be lost; turn it on" }
    if fullPageWrites != "on" {
      return "full_page_writes is off: a crash may tear pages; turn it on"
    }
    if synchronousCommit != "on" && synchronousCommit != "remote_apply" {
      return "synchronous_commit is off in this session: a commit may be lost; let nothing between "
        + "consentd and the database change its settings"
    }
    return nil
  }

  /// For a SELECT; read with `init(_:from:)`.
  static let columns = """
    pg_catalog.pg_is_in_recovery(), pg_catalog.current_setting('default_transaction_read_only'),
    pg_catalog.current_setting('fsync'), pg_catalog.current_setting('full_page_writes'),
    pg_catalog.current_setting('synchronous_commit')
    """

  init(
    isInRecovery: Bool, readOnly: String, fsync: String, fullPageWrites: String,
    synchronousCommit: String
  ) {
    self.isInRecovery = isInRecovery
    self.readOnly = readOnly
    self.fsync = fsync
    self.fullPageWrites = fullPageWrites
    self.synchronousCommit = synchronousCommit
  }

  init(_ row: PostgresRow, from column: Int) throws {
    self.init(
      isInRecovery: try row.get(column), readOnly: try row.get(column + 1),
      fsync: try row.get(column + 2), fullPageWrites: try row.get(column + 3),
      synchronousCommit: try row.get(column + 4))
  }
}

extension PostgresStatement {
  fileprivate static let requirements = PostgresStatement(
    name: "server_requirements",
    sql: """
      SELECT rolsuper OR rolbypassrls, \(ServerState.columns)
      FROM pg_catalog.pg_roles WHERE rolname = current_user
      """)
}
