import ConsentCore
import ConsentStore
import EmbeddedPostgres
import Postgres
import Synchronization

/// The stores that the conformance suite runs on.
enum Backend: String, CaseIterable {
  case memory
  case postgres

  /// A store and an organization of its own in it.
  func open(clock: ManualClock = ManualClock()) async throws -> Bench {
    let store: any ConsentStore =
      switch self {
      case .memory: MemoryConsentStore(clock: clock)
      case .postgres: try await TestDatabase.shared.value.store(clock: clock)
      }
    let settings = OrganizationSettings(id: random(), name: "Clinic", timeZone: "America/Chicago")
    try await store.createOrganization(settings)
    return Bench(store: store, organization: settings.id, clock: clock)
  }
}

/// A store, an organization in it and the clock of both.
struct Bench: Sendable {
  var store: any ConsentStore
  var organization: OrganizationID
  var clock: ManualClock

  func read<Value: Sendable>(
    _ body: @Sendable @escaping (any FactReader) throws -> Value
  ) async throws -> Value {
    try await store.read(organization, body)
  }

  @discardableResult
  func write(
    key: IdempotencyKey? = nil, _ body: @Sendable @escaping (any FactWriter) throws -> [UInt8]
  ) async throws -> WriteReceipt {
    try await store.write(organization, by: "tester", key: key, body)
  }

  @discardableResult
  func append(_ change: Change) async throws -> [UInt64] {
    try await write { writer in try writer.append(change).flatMap { bytes(of: $0) } }
      .reply.chunks()
  }
}

/// A database with the current schema, and how to reach it.
struct TestDatabase: Sendable {
  var cluster: TemporaryPostgres
  var name: String

  static let masterKey = [UInt8](repeating: 7, count: 32)
  static let password = "test only"
  /// One for each module of tests: each test has an organization of its own in it.
  static let shared = Task {
    let module = #fileID.prefix { $0 != "/" }.lowercased()
    return try await TestDatabase.make(in: .shared(), name: "conformance_" + module)
  }

  static func make(in cluster: TemporaryPostgres, name: String) async throws -> TestDatabase {
    let database = TestDatabase(cluster: cluster, name: name)
    try PostgresConnection(database.administrator(of: "postgres"))
      .execute(script: "CREATE DATABASE \(name)")
    try Migrator().migrate(database.administrator())
    try database.setServerPassword()
    return database
  }

  /// The role belongs to the whole cluster, and PostgreSQL refuses to alter it twice at a time.
  /// Other modules' tests have the same cluster, so the lock is the database's.
  func setServerPassword() throws {
    let turn = try PostgresConnection(administrator(of: "postgres"))
    try turn.execute(script: "SELECT pg_advisory_lock(1)")
    try ServerLogin.setPassword(Self.password, administrator())
    try turn.execute(script: "SELECT pg_advisory_unlock(1)")
  }

  func administrator(of database: String? = nil) -> PostgresConfiguration {
    PostgresConfiguration(
      conninfo: cluster.conninfo(database: database ?? name), applicationName: "test",
      searchPath: "consentd", connectTimeoutSeconds: 60)
  }

  var server: PostgresConfiguration {
    PostgresConfiguration(
      conninfo: cluster.server.conninfo(
        user: ServerLogin.role, password: Self.password, database: name),
      applicationName: "server", searchPath: "consentd", connectTimeoutSeconds: 60)
  }

  /// - Parameter lanes: few, because the tests of a process run at the same time.
  func store(
    clock: any WallClock, masterKeys: [[UInt8]] = [masterKey], lanes: Int = 1,
    through server: PostgresConfiguration? = nil,
    _ change: (inout PostgresConsentStore.Options) -> Void = { _ in }
  ) async throws -> PostgresConsentStore {
    var options = PostgresConsentStore.Options(
      masterKeys: masterKeys, readLanes: lanes, writeLanes: lanes, decisionLanes: lanes)
    change(&options)
    return try await PostgresConsentStore.open(
      server ?? self.server, clock: clock, options: options)
  }

  /// Runs SQL as the administrator, whom row security does not bind.
  func run(_ script: String) throws {
    try PostgresConnection(administrator()).execute(script: script)
  }
}
