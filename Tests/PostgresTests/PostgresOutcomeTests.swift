import EmbeddedPostgres
import Glibc
import Testing

@testable import Postgres

/// When a connection is lost, whether the change may have been made.
@Suite(.timeLimit(.minutes(2))) struct PostgresOutcomeTests {
  private let insert = statement("INSERT INTO t VALUES (1)", "insert")
  private let count = statement("SELECT count(*) FROM t", "count")

  private func prepare() async throws -> (PostgresConnection, admin: PostgresConnection) {
    let database = try await Database.make()
    let admin = try database.connect()
    try admin.execute(script: "CREATE TABLE t(n int4)")
    return (try database.connect(), admin)
  }

  private func end(_ victim: PostgresConnection, _ admin: PostgresConnection) throws {
    let process = victim.backendProcessID
    try admin.execute(terminate, process)
    try wait(
      admin, until: "SELECT NOT EXISTS (SELECT FROM pg_stat_activity WHERE pid = \(process))")
  }

  @Test func aSessionEndedBeforeCommitMadeNoChange() async throws {
    let (connection, admin) = try await prepare()
    let error = failure {
      try connection.transaction { connection in
        try connection.execute(insert)
        try end(connection, admin)
        _ = try connection.execute(insert)
      }
    }
    #expect(error?.isConnectionLost == true)
    #expect(error?.outcomeUnknown == false)
    #expect(error?.isRetryable == true)
    #expect(connection.isBroken)
    #expect(try admin.execute(count).single().get(0) == Int64(0))
  }

  @Test func aConnectionLostAtCommitLeavesTheOutcomeUnknown() async throws {
    let (connection, admin) = try await prepare()
    try connection.transaction { _ = try $0.execute(insert) }
    try connection.begin()
    try connection.execute(insert)
    try end(connection, admin)
    let error = failure { try connection.commit() }
    #expect(error?.isConnectionLost == true)
    #expect(error?.outcomeUnknown == true)
    #expect(error?.isRetryable == false)
  }

  @Test func aCommitThatWasNeverSentMadeNoChange() async throws {
    let (connection, admin) = try await prepare()
    try connection.begin()
    try connection.execute(insert)
    try end(connection, admin)
    // The first COMMIT of a session is prepared first, and that already fails.
    let error = failure { try connection.commit() }
    #expect(error?.isConnectionLost == true)
    #expect(error?.outcomeUnknown == false)
    #expect(try admin.execute(count).single().get(0) == Int64(0))
  }

  @Test func aReadOnlyTransactionHasNoOutcomeToBeUnknown() async throws {
    let (connection, admin) = try await prepare()
    try connection.begin(readOnly: true)
    try connection.execute(count)
    try end(connection, admin)
    let error = failure { try connection.commit() }
    #expect(error?.outcomeUnknown == false)
    #expect(error?.isRetryable == true)
  }

  @Test func aStatementThatCommitsByItselfIsUnknownWhenLost() async throws {
    let (connection, admin) = try await prepare()
    let suicide = statement("SELECT pg_terminate_backend(pg_backend_pid())", "suicide")
    let alone = failure { try connection.execute(suicide) }
    #expect(alone?.outcomeUnknown == true)
    #expect(failure { try connection.execute(insert) }?.outcomeUnknown == false)
    _ = admin
  }

  @Test func theServersOwnWordBeforeCommitSettlesAPipelinedTransaction() async throws {
    let (connection, admin) = try await prepare()
    let suicide = statement("SELECT pg_terminate_backend(pg_backend_pid())", "suicide")
    let error = failure {
      try connection.pipelinedTransaction { pipeline in
        try pipeline.execute(insert)
        try pipeline.execute(suicide)
        try pipeline.execute(insert)
      }
    }
    #expect(error?.sqlState == "57P01")
    #expect(error?.outcomeUnknown == false)
    #expect(error?.isRetryable == true)
    #expect(try admin.execute(count).single().get(0) == Int64(0))
  }

  @Test func aPipelinedTransactionCutOffWithoutAWordIsUnknown() async throws {
    let (connection, _) = try await prepare()
    // The socket breaks under it, so that not even the server's last word arrives.
    let error = failure {
      try connection.pipelinedTransaction { pipeline in
        try pipeline.execute(insert)
        #expect(shutdown(connection.socketDescriptor, Int32(SHUT_RDWR)) == 0)
      }
    }
    #expect(error?.isConnectionLost == true)
    #expect(error?.outcomeUnknown == true)
  }

  @Test func aSilentServerCountsAsLost() async throws {
    let database = try await Database.make()
    let connection = try database.connect(responseTimeout: .milliseconds(200))
    try connection.execute(script: "CREATE TABLE t(n int4)")
    try connection.transaction { _ = try $0.execute(insert) }
    try connection.begin()
    try connection.execute(insert)
    #expect(kill(connection.backendProcessID, SIGSTOP) == 0)
    defer { kill(connection.backendProcessID, SIGCONT) }
    let error = failure { try connection.commit() }
    #expect(error?.kind == .connectionLost)
    #expect(error?.outcomeUnknown == true)
    #expect(connection.isBroken)
  }

  @Test func aTransactionLeftIdleIsEndedByTheServerAndWasNotMade() async throws {
    let database = try await Database.make()
    let admin = try database.connect()
    try admin.execute(script: "CREATE TABLE t(n int4)")
    var configuration = database.configuration()
    configuration.idleInTransactionTimeoutMilliseconds = 50
    let connection = try PostgresConnection(configuration)
    try connection.begin()
    try connection.execute(insert)
    let process = connection.backendProcessID
    try wait(
      admin, until: "SELECT NOT EXISTS (SELECT FROM pg_stat_activity WHERE pid = \(process))")
    let error = failure { try connection.commit() }
    #expect(error?.sqlState == "25P03")
    #expect(error?.outcomeUnknown == false)
    #expect(try admin.execute(count).single().get(0) == Int64(0))
  }

  @Test func commitOfAFailedTransactionIsAnError() async throws {
    let (connection, admin) = try await prepare()
    let error = failure {
      try connection.transaction { connection in
        try connection.execute(insert)
        _ = try? connection.execute(statement("SELECT 1/0"))
      }
    }
    #expect(error?.kind == .misuse)
    #expect(error?.outcomeUnknown == false)
    #expect(!connection.isBroken)
    #expect(try admin.execute(count).single().get(0) == Int64(0))
  }

  @Test func transactionsDoNotNest() async throws {
    let (connection, _) = try await prepare()
    let error = failure {
      try connection.transaction { try $0.transaction { _ in } }
    }
    #expect(error?.kind == .misuse)
    #expect(failure { try connection.commit() }?.kind == .misuse)
    try connection.rollback()
    try connection.transaction { _ = try $0.execute(insert) }
  }
}

/// COMMIT waits for a standby that never comes; then somebody ends the wait. PostgreSQL has committed
/// on this server and says so with a warning only.
@Suite(.timeLimit(.minutes(2))) struct PostgresStandbyOutcomeTests {
  /// Writes through `write` while an administrator ends the wait with `ending`.
  private func outcome(
    ending: String, _ write: @escaping @Sendable (PostgresConnection) throws -> Void
  ) async throws -> (error: PostgresError?, rows: Int64) {
    let cluster = try await TemporaryPostgres.start()
    let configuration = PostgresConfiguration(
      conninfo: cluster.conninfo(), applicationName: "test")
    let admin = try PostgresConnection(configuration)
    try admin.execute(script: "CREATE TABLE t(n int4)")
    try admin.execute(script: "ALTER SYSTEM SET synchronous_standby_names = 'nobody'")
    try admin.execute(statement("SELECT pg_reload_conf()"))
    let lane = PostgresLane(configuration)
    try await lane.run { connection in
      try wait(
        connection, until: "SELECT current_setting('synchronous_standby_names') = 'nobody'")
    }
    #expect(try admin.safety().objections(requiresStandby: true).isEmpty)
    async let answer = failure { try await lane.run(write) }
    try await waitYielding(
      admin,
      until: "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE wait_event = 'SyncRep')")
    try admin.execute(
      statement(
        "SELECT \(ending)(pid) FROM pg_stat_activity WHERE wait_event = 'SyncRep'"))
    let error = await answer
    let rows: Int64 = try admin.execute(statement("SELECT count(*) FROM t")).single().get(0)
    await lane.close()
    try await cluster.remove()
    return (error, rows)
  }

  private static let insert = statement("INSERT INTO t VALUES (1)", "insert")

  @Test func aCancelledCommitIsUncertain() async throws {
    let (error, rows) = try await outcome(ending: "pg_cancel_backend") { connection in
      try connection.transaction { _ = try $0.execute(Self.insert) }
    }
    #expect(error?.kind == .commitUncertain)
    #expect(error?.outcomeUnknown == true)
    #expect(error?.isRetryable == false)
    #expect(rows == 1)
  }

  @Test func aTerminatedCommitIsUnknown() async throws {
    let (error, rows) = try await outcome(ending: "pg_terminate_backend") { connection in
      try connection.transaction { _ = try $0.execute(Self.insert) }
    }
    #expect(error?.outcomeUnknown == true)
    #expect(rows == 1)
  }

  @Test func aPipelinedCommitIsUncertainToo() async throws {
    let (error, rows) = try await outcome(ending: "pg_cancel_backend") { connection in
      try connection.pipelinedTransaction { try $0.execute(Self.insert) }
    }
    #expect(error?.kind == .commitUncertain)
    #expect(rows == 1)
  }

  @Test func soAreAPipelineAndAStatementThatCommitByThemselves() async throws {
    let (pipeline, _) = try await outcome(ending: "pg_terminate_backend") { connection in
      try connection.pipeline { try $0.execute(Self.insert) }
    }
    #expect(pipeline?.outcomeUnknown == true)
    let (alone, rows) = try await outcome(ending: "pg_cancel_backend") { connection in
      try connection.execute(Self.insert)
    }
    #expect(alone?.kind == .commitUncertain)
    #expect(rows == 1)
  }
}
