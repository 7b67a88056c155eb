/// A PostgreSQL cluster of our own in a folder, created on first use and kept running.
///
/// The server listens on a socket in a private folder only, and runs in a session of its own. When
/// this process dies without `stop()`, the server goes on; the next `start` on the folder takes it
/// over. When the server dies, it is started again.
public final class EmbeddedPostgres: Sendable {
  public struct Options: Sendable {
    /// Server settings, as in postgresql.conf. Those that durability or privacy need win over them.
    public var settings: [(String, String)]
    /// How long a start may take; recovery after a crash is part of it.
    public var startTimeout: Duration
    /// Whether the server is to end with this process.
    var isTemporary = false

    public init(settings: [(String, String)] = [], startTimeout: Duration = .seconds(300)) {
      self.settings = settings
      self.startTimeout = startTimeout
    }
  }

  let supervisor: Supervisor

  private init(_ supervisor: Supervisor) { self.supervisor = supervisor }

  /// Makes the cluster in `directory` serve, creating it when there is none.
  ///
  /// - Parameters:
  ///   - directory: made when it does not exist. Started as root, PostgreSQL runs as `postgres`,
  ///     which must be able to reach it.
  ///   - log: gets what an operator should know, on a thread of the supervisor.
  /// - Throws: `EmbeddedPostgresError`, whose text names the folder and what to do.
  public static func start(
    directory: String,
    options: Options = Options(),
    log: @escaping @Sendable (String) -> Void
  ) async throws -> EmbeddedPostgres {
    let supervisor = Supervisor(directory: directory, options: options, log: log)
    try await supervisor.start()
    return EmbeddedPostgres(supervisor)
  }

  /// How to connect.
  /// - Parameter password: for users other than `postgres`, whose password is known.
  public func conninfo(
    user: String = "postgres", password: String? = nil, database: String = "postgres"
  ) -> String {
    supervisor.conninfo(user: user, password: password, database: database)
  }

  /// The server's first process; changes when the server is started again.
  public var postmasterPID: Int32 { supervisor.status.process }

  /// How often the server was started again after it died.
  public var restartCount: Int { supervisor.status.restarts }

  /// Whether `start` found the server running.
  public var wasAdopted: Bool { supervisor.status.wasAdopted }

  /// Stops the server: it ends its sessions, writes everything down and exits. Connections should be
  /// closed before.
  ///
  /// - Parameter timeout: after it, the server is stopped without writing down, and recovers at its
  ///   next start; nothing committed is lost either way.
  /// - Throws: `.stopFailed` when even that has no effect. The folder stays locked then.
  public func stop(timeout: Duration = .seconds(30)) async throws {
    try await supervisor.stop(timeout: timeout)
  }
}
