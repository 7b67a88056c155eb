import ConsentCore
import ConsentStore
import EmbeddedPostgres
import Postgres
import Synchronization
import Testing

/// Each test has a cluster of its own, because it harms it.
@Suite(.serialized, .fewAtOnce) struct CrashTests {
  private func harmed(_ name: String) async throws -> (TestDatabase, Bench) {
    let cluster = try await TemporaryPostgres.start()
    let database = try await TestDatabase.make(in: cluster, name: name)
    let clock = ManualClock()
    let store = try await database.store(clock: clock, lanes: 2)
    let settings = OrganizationSettings(id: random(), name: "Clinic", timeZone: "UTC")
    try await store.createOrganization(settings)
    return (database, Bench(store: store, organization: settings.id, clock: clock))
  }

  @Test func aWriteWhoseCommitWasNotAnsweredIsMadeOnce() async throws {
    let (database, bench) = try await harmed("lost_reply")
    try database.requireStandby()
    let runs = Gathered<Int>()
    async let receipt = bench.write { writer in
      runs.add([1])
      return try writer.append(Change(events: [Build.event(.documentStored, "once")]))
        .flatMap { bytes(of: $0) }
    }
    try await database.endBackendWaitingForStandby()
    let answered = try await receipt
    #expect(answered.reply.chunks() == [1])
    #expect(!answered.replayed)
    #expect(runs.all.count == 1)
    #expect(try await bench.read { $0.head.position } == 1)
    await bench.store.close()
    try await database.cluster.remove()
  }

  @Test func aWriteThatWasUndoneAtCommitIsMadeAgain() async throws {
    let (database, bench) = try await harmed("undone")
    try database.run(
      """
      CREATE TABLE public.harm (left_over integer); INSERT INTO public.harm VALUES (1);
      GRANT SELECT, UPDATE, DELETE ON public.harm TO PUBLIC;
      CREATE SEQUENCE public.attempts; GRANT ALL ON public.attempts TO PUBLIC;
      CREATE FUNCTION public.harm() RETURNS trigger LANGUAGE plpgsql AS $$
      BEGIN
        IF nextval('public.attempts') = 1 THEN PERFORM pg_terminate_backend(pg_backend_pid()); END IF;
        RETURN NULL;
      END $$;
      CREATE CONSTRAINT TRIGGER harm AFTER INSERT ON consentd.idempotency
        DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION public.harm();
      """)
    let runs = Gathered<Int>()
    let receipt = try await bench.write { writer in
      runs.add([1])
      return try writer.append(Change(events: [Build.event(.documentStored, "once")]))
        .flatMap { bytes(of: $0) }
    }
    #expect(receipt.reply.chunks() == [1])
    #expect(runs.all.count == 2)
    #expect(try await bench.read { $0.head.position } == 1)
    await bench.store.close()
    try await database.cluster.remove()
  }

  @Test func decisionsWhoseCommitWasNotAnsweredAreAnsweredFromTheirOwnRow() async throws {
    let (database, bench) = try await harmed("lost_decision")
    try database.requireStandby()
    async let logged = bench.store.decide(bench.organization) { reader in
      [Build.decision(Build.key(1), at: reader.now, position: 0)]
    }
    try await database.endBackendWaitingForStandby()
    let answered = try await logged
    #expect(answered.count == 1)
    let after = try await bench.store.decide(bench.organization) { reader in
      [Build.decision(Build.key(2), at: reader.now, position: 0)]
    }
    // The log whose outcome was in doubt has ended.
    #expect(after[0].id.log != answered[0].id.log)
    #expect(after[0].id.leaf == 0)
    let listed = try await bench.read { try $0.decisions(DecisionFilter(), limit: 9) }
    #expect(Set(listed) == Set(answered + after))
    await bench.store.close()
    try await database.cluster.remove()
  }

  @Test func anAppendWhoseCommitWasNotAnsweredIsResolvedBehindItsRow() async throws {
    let (database, bench) = try await harmed("lost_append")
    try await bench.append(Build.patient(random()))
    let head = try await bench.read { $0.head }
    let append: @Sendable (Int) async throws -> [LoggedDecision] = { key in
      let outcome = try await bench.store.append(
        bench.organization,
        TakenDecisions(
          [Build.decision(Build.key(key), at: bench.clock.now(), position: head.position)],
          at: head), if: AppendCondition(unlessFactsChangedAbove: head.position, after: 0))
      guard case .logged(let logged, _) = outcome else { return [] }
      return logged
    }
    try database.requireStandby()
    async let lost = append(1)
    try await database.endBackendWaitingForStandby()
    let answered = try await lost
    let after = try await append(2)
    #expect(after.map(\.id.leaf) == [0])
    #expect(after.map(\.id.log) != answered.map(\.id.log))
    let listed = try await bench.read { try $0.decisions(DecisionFilter(), limit: 9) }
    #expect(Set(listed) == Set(answered + after))
    #expect(answered.count == 1)
    await bench.store.close()
    try await database.cluster.remove()
  }

  @Test func nothingAnsweredIsLostWhenTheServerIsKilled() async throws {
    let (database, bench) = try await harmed("killed")
    let answered = Gathered<LoggedDecision>()
    let positions = Gathered<UInt64>()
    await withTaskGroup(of: Void.self) { group in
      for worker in 0..<4 {
        group.addTask {
          for step in 0..<40 {
            if worker == 0, step == 10 || step == 25 {
              killAtOnce(database.cluster.server.postmasterPID)
            }
            if let logged = try? await bench.store.decide(
              bench.organization,
              { reader in
                [Build.decision(Build.key(step), at: reader.now, position: reader.head.position)]
              })
            {
              answered.add(logged)
            }
            if let written = try? await bench.append(
              Change(events: [Build.event(.documentStored)]))
            {
              positions.add(written)
            }
          }
        }
      }
    }
    let listed = try await eventually {
      try await bench.read { try $0.decisions(DecisionFilter(), limit: 10_000) }
    }
    #expect(Set(listed).isSuperset(of: answered.all))
    let rows = try await bench.read { try $0.feed(after: 0, limit: 10_000) }
    try expectChained(rows, organization: bench.organization)
    let written = positions.all
    #expect(Set(written).count == written.count)
    #expect(Set(rows.map(\.position)).isSuperset(of: written))
    #expect(!written.isEmpty && !listed.isEmpty)
    await bench.store.close()
    try await database.cluster.remove()
  }

  /// Repeats what fails while the server is starting again.
  private func eventually<Value: Sendable>(
    _ body: @Sendable () async throws -> Value
  ) async throws -> Value {
    let deadline = ContinuousClock.now + .seconds(60)
    while true {
      do {
        return try await body()
      } catch {
        guard ContinuousClock.now < deadline else { throw error }
        await Task.yield()
      }
    }
  }
}

/// What several tasks found.
final class Gathered<Value: Sendable>: Sendable {
  private let values = Mutex<[Value]>([])

  var all: [Value] { values.withLock { $0 } }

  func add(_ more: [Value]) { values.withLock { $0 += more } }
}
