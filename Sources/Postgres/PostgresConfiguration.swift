/// How a connection is made and which limits hold on it.
public struct PostgresConfiguration: Sendable {
  /// A libpq connection string or URI. Several hosts are allowed; name
  /// `target_session_attrs=read-write` with them.
  public var conninfo: String
  public var applicationName: String
  /// As in `SET search_path`: names separated by commas.
  public var searchPath: String
  /// A transaction that waits for its client longer than this is ended by the server.
  public var idleInTransactionTimeoutMilliseconds: Int
  /// Shorter than the limit on idle transactions: a node that stands still has several sessions, and
  /// those that wait for a lock must have given up before the one that holds it loses it to the next.
  public var lockTimeoutMilliseconds: Int
  /// How often a working server looks whether its client is still there; 0 turns it off.
  public var clientCheckIntervalMilliseconds: Int
  /// How long sent bytes may stay unacknowledged (TCP only).
  public var tcpUserTimeoutMilliseconds: Int
  /// For each host. libpq counts whole seconds, and two at least.
  public var connectTimeoutSeconds: Int
  /// A server silent for longer than this while it owes an answer counts as lost.
  public var responseTimeout: Duration
  /// `system_identifier` of the cluster that must answer; `nil` takes any. A server of another
  /// cluster under the same address is refused when a connection is made.
  public var systemIdentifier: Int64?

  public init(
    conninfo: String,
    applicationName: String,
    searchPath: String = "public",
    idleInTransactionTimeoutMilliseconds: Int = 2_000,
    lockTimeoutMilliseconds: Int = 1_000,
    clientCheckIntervalMilliseconds: Int = 1_000,
    tcpUserTimeoutMilliseconds: Int = 5_000,
    connectTimeoutSeconds: Int = 3,
    responseTimeout: Duration = .seconds(30)
  ) {
    self.conninfo = conninfo
    self.applicationName = applicationName
    self.searchPath = searchPath
    self.idleInTransactionTimeoutMilliseconds = idleInTransactionTimeoutMilliseconds
    self.lockTimeoutMilliseconds = lockTimeoutMilliseconds
    self.clientCheckIntervalMilliseconds = clientCheckIntervalMilliseconds
    self.tcpUserTimeoutMilliseconds = tcpUserTimeoutMilliseconds
    self.connectTimeoutSeconds = connectTimeoutSeconds
    self.responseTimeout = responseTimeout
  }
}
