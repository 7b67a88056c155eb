/// What the server says of itself that decides whether a commit is durable.
public struct PostgresSafety: Sendable, Equatable {
  public var fsync: String
  public var fullPageWrites: String
  public var synchronousCommit: String
  public var isInRecovery: Bool
  /// For example 150020.
  public var serverVersion: Int32
  public var synchronousStandbyNames: String

  /// Why this server must not be served from; empty when there is nothing against it.
  /// - Parameter requiresStandby: whether a commit must have reached a second server.
  public func objections(requiresStandby: Bool) -> [String] {
    var objections: [String] = []
    if fsync != "on" {
      objections.append("fsync is \(fsync): set fsync = on in postgresql.conf")
    }
    if fullPageWrites != "on" {
      objections.append("full_page_writes is \(fullPageWrites): set full_page_writes = on")
    }
    if synchronousCommit != "on" && synchronousCommit != "remote_apply" {
      objections.append("synchronous_commit is \(synchronousCommit) in this session: it must be on")
    }
    if isInRecovery {
      objections.append(
        "the server is a standby: connect to the primary, "
          + "or add target_session_attrs=read-write to the connection string")
    }
    if serverVersion < 150_000 {
      objections.append("the server is older than PostgreSQL 15: upgrade it")
    }
    if requiresStandby && synchronousStandbyNames.isEmpty {
      objections.append("no synchronous standby is named: set synchronous_standby_names")
    }
    return objections
  }
}

extension PostgresConnection {
  /// Asks the server for the settings that durability depends on, as this session has them.
  public func safety() throws(PostgresError) -> PostgresSafety {
    let row = try execute(.safety).single()
    return PostgresSafety(
      fsync: try row.get(0),
      fullPageWrites: try row.get(1),
      synchronousCommit: try row.get(2),
      isInRecovery: try row.get(3),
      serverVersion: try row.get(4),
      synchronousStandbyNames: try row.get(5))
  }
}

extension PostgresStatement {
  fileprivate static let safety = PostgresStatement(
    name: "safety",
    sql: """
      SELECT current_setting('fsync'),
             current_setting('full_page_writes'),
             current_setting('synchronous_commit'),
             pg_is_in_recovery(),
             current_setting('server_version_num')::int4,
             current_setting('synchronous_standby_names')
      """)
}
