/// The way from a folder to a server that answers, in steps that never wait.
struct ServerStart {
  private let cluster: Cluster
  private let log: @Sendable (String) -> Void
  private(set) var process: ServerProcess?
  private(set) var lastProblem = "it does not answer"
  private(set) var pauseMilliseconds = shortestPause

  private static let shortestPause = 20
  private static let longestPause = 1_000

  init(cluster: Cluster, log: @escaping @Sendable (String) -> Void) {
    self.cluster = cluster
    self.log = log
  }

  /// - Returns: the server, once it answers and is the one of this folder.
  /// - Throws: when waiting will not help.
  mutating func step() throws(EmbeddedPostgresError) -> ServerProcess? {
    if let process {
      guard process.isAlive() else {
        if process.isChild { lastProblem = Cluster.lastLines(cluster.layout.startLog) }
        self.process = nil
        slowDown()
        return nil
      }
    } else {
      process = try findOrStart()
    }
    guard let process else { return nil }
    switch cluster.readiness() {
    case .ready:
      return process
    case .foreign(let reason):
      throw EmbeddedPostgresError(
        .badDirectory, "\(reason), not \(cluster.layout.data): stop that server")
    case .waiting(let reason):
      lastProblem = reason
      return nil
    }
  }

  private mutating func findOrStart() throws(EmbeddedPostgresError) -> ServerProcess? {
    switch Occupant.find(in: cluster.layout) {
    case .server(let running):
      log("taking over PostgreSQL (process \(running.id)), which runs on \(cluster.layout.data)")
      return running
    case .orphans(let processes):
      lastProblem = "processes \(processes) of a server that died still work on it"
      slowDown()
      return nil
    case .none:
      Occupant.clearRemains(in: cluster.layout)
      return try cluster.start()
    }
  }

  private mutating func slowDown() {
    pauseMilliseconds = min(pauseMilliseconds * 2, Self.longestPause)
  }
}
