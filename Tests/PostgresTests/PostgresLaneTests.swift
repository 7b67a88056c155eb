import EmbeddedPostgres
import Foundation
import Postgres
import Synchronization
import Testing

@Suite(.timeLimit(.minutes(2))) struct PostgresLaneTests {
  private struct Stop: Error {}

  private func process(_ lane: PostgresLane) async throws -> Int32 {
    try await lane.run { try $0.execute(processID).single().get(0) }
  }

  @Test func jobsRunInOrderOnOneConnection() async throws {
    let lane = PostgresLane(try await Database.make().configuration())
    let first = try await process(lane)
    let order = Mutex<[Int]>([])
    for number in 0..<20 {
      lane.submit { _ in order.withLock { $0.append(number) } }
    }
    #expect(try await process(lane) == first)
    #expect(order.withLock { $0 } == Array(0..<20))
    await lane.close()
  }

  @Test func whatAJobLeavesOpenIsUndoneBeforeTheNext() async throws {
    let lane = PostgresLane(try await Database.make().configuration())
    try await lane.run { connection in
      try connection.execute(script: "CREATE TABLE t(n int4)")
      try connection.begin()
      try connection.execute(statement("INSERT INTO t VALUES (1)"))
    }
    let count = try await lane.run { connection in
      try connection.begin()
      let count: Int64 = try connection.execute(
        statement("SELECT count(*) FROM t")
      ).single().get(0)
      try connection.commit()
      return count
    }
    #expect(count == 0)
    try? await lane.run { connection in
      _ = try connection.pipeline { pipeline in
        try pipeline.execute(statement("INSERT INTO t VALUES (1)"))
        throw Stop()
      }
    }
    #expect(
      try await lane.run { try $0.execute(statement("SELECT count(*) FROM t")).single().get(0) }
        == Int64(0))
    await lane.close()
  }

  @Test func aLaneWithAFullQueueRefusesAtOnceAndAClosedOneToo() async throws {
    let database = try await Database.make()
    let lane = PostgresLane(database.configuration(), queueLimit: 2)
    let gate = DispatchSemaphore(value: 0)
    let (started, announce) = AsyncStream<Void>.makeStream()
    let done = Mutex(0)
    lane.submit { _ in
      announce.finish()
      gate.wait()
      done.withLock { $0 += 1 }
    }
    for await _ in started {}
    lane.submit { _ in done.withLock { $0 += 1 } }
    lane.submit { _ in done.withLock { $0 += 1 } }
    #expect(lane.load == 3)
    let full = await failure { _ = try await process(lane) }
    #expect(full?.kind == .queueFull)
    #expect(full?.isRetryable == true)
    let closing = Task { await lane.close() }
    gate.signal()
    await closing.value
    #expect(done.withLock { $0 } == 3)
    let closed = await failure { _ = try await process(lane) }
    #expect(closed?.kind == .closed)
    await lane.close()
  }

  @Test func aJobGoesToTheLaneWithTheLeastToDo() async throws {
    let lanes = PostgresLanes(try await Database.make().configuration(), count: 2)
    let gate = DispatchSemaphore(value: 0)
    let (started, announce) = AsyncStream<Void>.makeStream()
    lanes.submit { _ in
      announce.finish()
      gate.wait()
    }
    for await _ in started {}
    for _ in 0..<5 {
      #expect(try await lanes.run { try $0.execute(processID).single().get(0, as: Int32.self) } > 0)
    }
    #expect(lanes.load >= 1)
    gate.signal()
    await lanes.close()
  }

  @Test func aReadPastItsDeadlineIsCancelledAndTheNextIsNot() async throws {
    let lane = PostgresLane(try await Database.make().configuration())
    let before = try await process(lane)
    let error = await failure {
      try await lane.read(deadline: .now.advanced(by: .milliseconds(50))) { connection in
        try connection.execute(statement("SELECT pg_sleep(60)::text", "sleep"))
        Issue.record("the read was not cancelled")
      }
    }
    #expect(error?.kind == .deadlineExceeded)
    #expect(error?.outcomeUnknown == false)
    for _ in 0..<20 { #expect(try await process(lane) == before) }
    let past = ContinuousClock.now - .seconds(1)
    let late = await failure {
      let begun = try await lane.read(deadline: past) { _ in true }
      #expect(!begun)
    }
    #expect(late?.kind == .deadlineExceeded)
    #expect(try await process(lane) == before)
    await lane.close()
  }

  @Test(.timeLimit(.minutes(1))) func readsUnderWayAndWaitingEndWhenTheyAreStopped() async throws {
    let database = try await Database.make()
    let lane = PostgresLane(database.configuration(responseTimeout: .seconds(600)))
    async let first = failure {
      try await lane.read { connection in
        try connection.execute(statement("SELECT pg_sleep(600)::text AS stopped", "sleep"))
      }
    }
    try await waitYielding(
      database.connect(),
      until: "SELECT count(*) = 1 FROM pg_stat_activity WHERE query LIKE '%AS stopped' "
        + "AND state = 'active' AND pid <> pg_backend_pid()")
    async let second = failure { _ = try await lane.read { _ in true } }
    lane.stopReads()
    #expect(await first?.kind == .deadlineExceeded)
    #expect(await second?.kind == .deadlineExceeded)
    await lane.close()
  }

  @Test func aReadSeesOneSnapshotAndCannotWrite() async throws {
    let database = try await Database.make()
    let lane = PostgresLane(database.configuration())
    let other = PostgresLane(database.configuration())
    try await lane.run { try $0.execute(script: "CREATE TABLE t(n int4)") }
    let error = await failure {
      try await lane.read { _ = try $0.execute(statement("INSERT INTO t VALUES (1)")) }
    }
    #expect(error?.isReadOnly == true)
    let count = statement("SELECT count(*) FROM t", "count")
    let writer = try database.connect()
    let holder = Holder(writer)
    let counts = try await other.read { connection in
      let before: Int64 = try connection.execute(count).single().get(0)
      try holder.connection.execute(statement("INSERT INTO t VALUES (1)"))
      let after: Int64 = try connection.execute(count).single().get(0)
      return [before, after]
    }
    #expect(counts == [0, 0])
    await lane.close()
    await other.close()
  }

  /// Two connections used by one thread, one of them not the lane's.
  private final class Holder: @unchecked Sendable {
    let connection: PostgresConnection
    init(_ connection: PostgresConnection) { self.connection = connection }
  }

  @Test func aLaneWhoseServerEndedTheIdleSessionConnectsAnew() async throws {
    let database = try await Database.make()
    let lane = PostgresLane(database.configuration())
    let first = try await process(lane)
    let admin = try database.connect()
    try admin.execute(terminate, first)
    try await waitYielding(
      admin, until: "SELECT NOT EXISTS (SELECT FROM pg_stat_activity WHERE pid = \(first))")
    #expect(try await process(lane) != first)
    await lane.close()
  }

  @Test func aStoppedDatabaseFailsJobsSoonAndAStartedOneServesAgain() async throws {
    let directory = "/tmp/lane-\(UInt32.random(in: 0...(.max)))"
    defer { try? FileManager.default.removeItem(atPath: directory) }
    var server = try await EmbeddedPostgres.start(directory: directory) { _ in }
    let lanes = PostgresLanes(
      PostgresConfiguration(conninfo: server.conninfo(), applicationName: "test"), count: 2)
    func ask() async throws -> Int32 {
      try await lanes.run { try $0.execute(processID).single().get(0) }
    }
    _ = try await ask()
    try await server.stop()
    let began = ContinuousClock.now
    for _ in 0..<50 {
      let error = await failure { _ = try await ask() }
      #expect(error?.isConnectionLost == true)
      #expect(error?.isRetryable == true)
    }
    // A bound, not a measurement: the system answers at once, and would otherwise be asked for
    // seconds each time.
    #expect(ContinuousClock.now - began < .seconds(20))

    server = try await EmbeddedPostgres.start(directory: directory) { _ in }
    var answered = false
    let deadline = ContinuousClock.now + .seconds(20)
    while !answered, ContinuousClock.now < deadline { answered = (try? await ask()) != nil }
    #expect(answered)
    await lanes.close()
    try await server.stop()
  }
}
