import EmbeddedPostgres
import Postgres
import Testing

/// A place of its own for one test, in the cluster that the tests share.
struct Database {
  let cluster: TemporaryPostgres
  let name: String
  let schema: String

  /// A schema of its own, which costs next to nothing.
  static func make() async throws -> Database {
    let cluster = try await TemporaryPostgres.shared()
    let schema = "test_\(UInt64.random(in: 0...(.max)))"
    try administrate(cluster, "CREATE SCHEMA \(schema)")
    return Database(cluster: cluster, name: "postgres", schema: schema)
  }

  /// A whole database of its own, for what concerns the database.
  static func makeWhole() async throws -> Database {
    let cluster = try await TemporaryPostgres.shared()
    let name = "test_\(UInt64.random(in: 0...(.max)))"
    try administrate(cluster, "CREATE DATABASE \(name)")
    return Database(cluster: cluster, name: name, schema: "public")
  }

  func configuration(responseTimeout: Duration = .seconds(30)) -> PostgresConfiguration {
    PostgresConfiguration(
      conninfo: cluster.conninfo(database: name), applicationName: "test", searchPath: schema,
      responseTimeout: responseTimeout)
  }

  func connect(responseTimeout: Duration = .seconds(30)) throws -> PostgresConnection {
    try PostgresConnection(configuration(responseTimeout: responseTimeout))
  }

  private static func administrate(_ cluster: TemporaryPostgres, _ sql: String) throws {
    let admin = try PostgresConnection(
      PostgresConfiguration(conninfo: cluster.conninfo(), applicationName: "test"))
    try admin.execute(script: sql)
  }
}

func statement(_ sql: String, _ name: String? = nil) -> PostgresStatement {
  PostgresStatement(name: name ?? sql.prefix(50).lowercased(), sql: sql)
}

/// The error that `body` throws; an issue when it throws none of ours.
func failure(
  _ body: () throws -> Void, sourceLocation: SourceLocation = #_sourceLocation
) -> PostgresError? {
  let error = #expect(throws: PostgresError.self, sourceLocation: sourceLocation) { try body() }
  return error
}

func failure(
  _ body: () async throws -> Void, sourceLocation: SourceLocation = #_sourceLocation
) async -> PostgresError? {
  await #expect(throws: PostgresError.self, sourceLocation: sourceLocation) { try await body() }
}

/// Asks until the database shows what is waited for.
func wait(
  _ connection: PostgresConnection, until sql: String,
  sourceLocation: SourceLocation = #_sourceLocation
) throws {
  let deadline = ContinuousClock.now + .seconds(20)
  while ContinuousClock.now < deadline {
    if try connection.execute(statement(sql)).single().get(0, as: Bool.self) { return }
  }
  Issue.record("never seen: \(sql)", sourceLocation: sourceLocation)
}

/// As above, and lets other tests run on this thread meanwhile.
func waitYielding(
  _ connection: PostgresConnection, until sql: String,
  sourceLocation: SourceLocation = #_sourceLocation
) async throws {
  let deadline = ContinuousClock.now + .seconds(20)
  while ContinuousClock.now < deadline {
    if try connection.execute(statement(sql)).single().get(0, as: Bool.self) { return }
    await Task.yield()
  }
  Issue.record("never seen: \(sql)", sourceLocation: sourceLocation)
}

let processID = statement("SELECT pg_backend_pid()", "pid")
let terminate = statement("SELECT pg_terminate_backend($1)", "terminate")
