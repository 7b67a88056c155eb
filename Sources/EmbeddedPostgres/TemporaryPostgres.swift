internal import Foundation
internal import Glibc
internal import Synchronization

/// A cluster for tests, as durable as a real one, in a folder that is removed with it.
///
/// The server ends when this process ends, however it does; the folder of a process that was killed
/// is removed by the next one that starts a cluster.
public final class TemporaryPostgres: Sendable {
  public let server: EmbeddedPostgres
  public let directory: String

  private static let prefix = "/tmp/temporary-postgres-"

  private init(server: EmbeddedPostgres, directory: String) {
    self.server = server
    self.directory = directory
  }

  public static func start(
    settings: [(String, String)] = [], log: @escaping @Sendable (String) -> Void = { _ in }
  ) async throws -> TemporaryPostgres {
    removeAbandoned()
    let directory = "\(prefix)\(getpid())-\(UInt64.random(in: 0...(.max)))"
    var options = EmbeddedPostgres.Options(settings: settings, startTimeout: .seconds(120))
    options.isTemporary = true
    let server = try await EmbeddedPostgres.start(directory: directory, options: options, log: log)
    return TemporaryPostgres(server: server, directory: directory)
  }

  /// The one cluster that all tests of a process share; it ends with the process. Make a database
  /// in it for each suite.
  public static func shared() async throws -> TemporaryPostgres {
    try await sharedStart.value
  }

  private static let sharedStart = Task {
    let cluster = try await start()
    atexit { TemporaryPostgres.removeShared() }
    sharedCluster.withLock { $0 = cluster }
    return cluster
  }

  private static let sharedCluster = Mutex<TemporaryPostgres?>(nil)

  /// How to connect as superuser.
  public func conninfo(database: String = "postgres") -> String {
    server.conninfo(database: database)
  }

  /// Stops the server and removes its folder.
  public func remove() async throws {
    try await server.stop()
    try Files.removeTree(directory)
  }

  private static func removeShared() {
    guard let cluster = sharedCluster.withLock({ $0 }) else { return }
    cluster.server.supervisor.stopAtExit(timeout: .seconds(10))
    try? Files.removeTree(cluster.directory)
  }

  private static func removeAbandoned() {
    for name in Files.names(in: "/tmp") {
      let path = "/tmp/" + name
      guard path.hasPrefix(prefix) else { continue }
      let owner = name.dropFirst(prefix.count - 5).prefix(while: \.isNumber)
      guard let owner = pid_t(owner), kill(owner, 0) != 0, errno == ESRCH else { continue }
      guard ServerProcess.working(in: path + "/data").isEmpty else { continue }
      try? Files.removeTree(path)
    }
  }
}
