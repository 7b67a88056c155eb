import ArgumentParser
import ConsentStore
import EmbeddedPostgres
import Foundation
import Logging

/// The embedded database without a node, so that several nodes on one machine share it.
struct Database: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Run the embedded PostgreSQL by itself, for several nodes on one machine.",
    discussion: """
      When it is ready, the login file holds the connection string of the nodes; start each with \
      --database-file FILE, --master-key-file DIR/master.key and --log-key-file DIR/log.key. The login stays the same from \
      start to start, so nodes outlive a restart of this. SIGTERM or Ctrl-C stops the database.
      """)

  @Option(
    help: ArgumentHelp(
      "The cluster's folder; created at the first start, with its master key.", valueName: "dir"))
  var embeddedPostgres: String

  @Option(
    help: ArgumentHelp(
      "Where to write the nodes' connection string (mode 0600). Absent while it is not ready.",
      valueName: "file"))
  var loginFile: String

  func run() async throws {
    LoggingSystem.bootstrap { StderrLog(label: $0, logLevel: .info) }
    do {
      let signals = Signals()
      try? FileManager.default.removeItem(atPath: loginFile)
      let logger = Logger(label: "consentd")
      let server = try await EmbeddedPostgres.start(directory: embeddedPostgres) { line in
        logger.notice("postgres", metadata: ["said": "\(line)"])
      }
      do {
        try await prepare(server, logger)
      } catch {
        try? await server.stop()
        throw error
      }
      logger.info("the database is ready", metadata: ["login": "\(loginFile)"])
      var received = signals.stream.makeAsyncIterator()
      _ = await received.next()
      try await server.stop()
      logger.info("ended")
    } catch {
      throw StartFailure(error).exit
    }
  }

  private func prepare(_ server: EmbeddedPostgres, _ logger: Logger) async throws {
    let passwordFile = embeddedPostgres + "/server.password"
    if !PrivateFile.exists(passwordFile) {
      try PrivateFile.create(passwordFile, PrivateFile.randomPassword() + "\n")
    }
    let password = try PrivateFile.read(passwordFile, what: "the nodes' password")
      .trimmingCharacters(in: .whitespacesAndNewlines)
    let signer = try LogKey.embedded(embeddedPostgres + "/log.key", logger)
    let store = try await OpenedStore.open(
      server, keyPath: embeddedPostgres + "/master.key", signer, password: password, 1,
      clock: SystemWallClock())
    await store.close()
    let conninfo = server.conninfo(user: ServerLogin.role, password: password)
    try PrivateFile.replace(loginFile, conninfo + "\n")
  }
}
