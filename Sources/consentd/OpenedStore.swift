import ConsentStore
import EmbeddedPostgres
import Foundation
import Logging
import Postgres
import ProofLog

/// The store, and the database it stands on where that is ours.
struct OpenedStore: Sendable {
  var store: PostgresConsentStore
  var embedded: EmbeddedPostgres?

  /// Brings up the database if it is embedded, and opens the store with the server's own login.
  /// An administrator's connection is made only to migrate an embedded one.
  static func open(
    _ settings: Settings, clock: any WallClock, logger: Logger
  ) async throws -> OpenedStore {
    switch settings.database {
    case .external(let conninfo):
      guard let path = settings.masterKeyFile else {
        throw StartFailure(.usage, "--database needs --master-key-file")
      }
      let key = try MasterKey(contentsOf: path)
      let signer = try settings.logKeyFile.map { path throws(StartFailure) in
        try LogKey.read(path)
      }
      if signer == nil {
        logger.warning("receipts are not signed: no --log-key-file")
      }
      return OpenedStore(
        store: try await open(conninfo, key, signer, settings.lanes, clock: clock), embedded: nil)
    case .embedded(let directory):
      let server = try await EmbeddedPostgres.start(directory: directory) { line in
        logger.notice("postgres", metadata: ["said": "\(line)"])
      }
      do {
        let path = settings.masterKeyFile ?? directory + "/master.key"
        let signer =
          try settings.logKeyFile.map { path throws(StartFailure) in try LogKey.read(path) }
          ?? LogKey.embedded(directory + "/log.key", logger)
        // A password of this run: nobody else logs in, and nothing has to be kept.
        let store = try await open(
          server, keyPath: path, signer, password: PrivateFile.randomPassword(), settings.lanes,
          clock: clock)
        return OpenedStore(store: store, embedded: server)
      } catch {
        try? await server.stop()
        throw error
      }
    }
  }

  func close() async {
    await store.close()
    try? await embedded?.stop()
  }

  /// Brings an embedded cluster's schema up to date, gives `consentd_server` the password, makes the
  /// master key where there is nothing yet, and opens the store.
  static func open(
    _ server: EmbeddedPostgres, keyPath: String, _ signer: LogSigner, password: String,
    _ lanes: Int, clock: any WallClock
  ) async throws -> PostgresConsentStore {
    let administrator = PostgresConfiguration(
      conninfo: server.conninfo(), applicationName: "consentd migrate")
    try Migrator().migrate(administrator)
    try ServerLogin.setPassword(password, administrator)
    let conninfo = server.conninfo(user: ServerLogin.role, password: password)
    if PrivateFile.exists(keyPath) {
      let key = try MasterKey(contentsOf: keyPath)
      return try await open(conninfo, key, signer, lanes, clock: clock)
    }
    // A new key opens no data of an old one: it is made only where there is nothing yet.
    let key = MasterKey.random()
    let store = try await open(conninfo, key, signer, lanes, clock: clock)
    do {
      guard try await store.organizations().isEmpty else {
        throw StartFailure(
          .configuration,
          "the master key \(keyPath) is missing; restore it, without it identities cannot be read")
      }
      try key.write(to: keyPath)
    } catch {
      await store.close()
      throw error
    }
    return store
  }

  private static func open(
    _ conninfo: String, _ key: MasterKey, _ signer: LogSigner?, _ lanes: Int,
    clock: any WallClock
  ) async throws -> PostgresConsentStore {
    let half = max(1, lanes / 2)
    return try await PostgresConsentStore.open(
      PostgresConfiguration(conninfo: conninfo, applicationName: "consentd"), clock: clock,
      options: .init(
        masterKeys: key.keys, logSigner: signer, readLanes: lanes, writeLanes: half,
        decisionLanes: half))
  }
}
