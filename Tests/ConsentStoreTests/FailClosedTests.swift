import ConsentCore
import EmbeddedPostgres
import EventFeed
import Foundation
import Postgres
import Testing

@testable import ConsentStore

/// Whatever is wrong with the database, nothing is answered and the reason is named.
@Suite(.fewAtOnce, .timeLimit(.minutes(4))) struct FailClosedTests {
  /// Why each of the three paths refuses; `nil` where one answered.
  private func refusals(_ bench: Together) async -> [String?] {
    func why(_ body: () async throws -> Void) async -> String? {
      do {
        try await body()
        return nil
      } catch StoreError.unavailable(let why) {
        return why
      } catch StoreError.unreadable(let why) {
        return why
      } catch {
        return "\(error)"
      }
    }
    return [
      await why {
        _ = try await bench.store.write(bench.organization, by: "t", key: nil) {
          try $0.append(Change(events: [Build.event(.documentStored)])).bytes
        }
      },
      await why {
        _ = try await bench.store.decide(bench.organization) {
          [Build.decision(Build.key(1), at: $0.now, position: $0.head.position)]
        }
      },
      await why { _ = try await bench.rows() },
    ]
  }

  /// Asks until every path refuses with a text that has `words`.
  private func refuseEverything(_ bench: Together, _ words: String) async throws {
    let deadline = ContinuousClock.now + .seconds(100)
    var last: [String?] = []
    while ContinuousClock.now < deadline {
      last = await refusals(bench)
      if last.allSatisfy({ $0?.contains(words) == true }) { return }
      await Task.yield()
    }
    Issue.record("answered \(last) instead of \(words)")
  }

  private func own(_ name: String) async throws -> TestDatabase {
    try await TestDatabase.make(in: .shared(), name: name)
  }

  @Test func aFullDiskIsNamedAndRecordsNothing() async throws {
    let database = try await own("disk_full")
    let bench = try await Together.open(database)
    try database.run(
      """
      CREATE FUNCTION public.full() RETURNS trigger LANGUAGE plpgsql AS $$
      BEGIN RAISE EXCEPTION 'could not extend file' USING ERRCODE = 'disk_full'; END $$;
      CREATE TRIGGER fills BEFORE INSERT ON consentd.feed_event
        FOR EACH ROW EXECUTE FUNCTION public.full();
      CREATE TRIGGER fills BEFORE INSERT ON consentd.proof_log_batch
        FOR EACH ROW EXECUTE FUNCTION public.full();
      """)
    let refused = await refusals(bench)
    #expect(refused[0]?.contains("disk is full") == true)
    #expect(refused[1]?.contains("disk is full") == true)
    // Reading needs no room.
    #expect(refused[2] == nil)
    try database.run(
      """
      DROP TRIGGER fills ON consentd.feed_event; DROP TRIGGER fills ON consentd.proof_log_batch
      """)
    #expect(await refusals(bench) == [nil, nil, nil])
    #expect(try await bench.rows().map(\.position) == [1])
    await bench.store.close()
  }

  @Test func aServerInRecoveryAnswersNothing() async throws {
    let cluster = try await TemporaryPostgres.start()
    let database = try await TestDatabase.make(in: cluster, name: "standby")
    let bench = try await Together.open(database)
    _ = try await bench.write([.tell()])
    let signal = cluster.directory + "/data/standby.signal"
    #expect(FileManager.default.createFile(atPath: signal, contents: Data()))
    killAtOnce(cluster.server.postmasterPID)
    try await refuseEverything(bench, "recovery")
    // One that is opened now does not begin either.
    let opened = await Task { try await database.store(clock: ManualClock()) }.result
    #expect(throws: StoreError.self) { try opened.get() }
    await bench.store.close()
    try await cluster.remove()
  }

  @Test func aServerSetToReadOnlyAnswersNothing() async throws {
    let cluster = try await TemporaryPostgres.start()
    let database = try await TestDatabase.make(in: cluster, name: "read_only")
    let bench = try await Together.open(database)
    let administrator = try PostgresConnection(database.administrator())
    try administrator.execute(script: "ALTER SYSTEM SET default_transaction_read_only = on")
    try administrator.execute(script: "SELECT pg_reload_conf()")
    try await refuseEverything(bench, "default_transaction_read_only is on")
    await bench.store.close()
    try await cluster.remove()
  }

  /// What a pooler between consentd and the database may do to a session.
  @Test func aSessionWithoutSynchronousCommitWritesNothing() async throws {
    let bench = try await Together.open()
    try await bench.store.writes.run { connection in
      try connection.execute(script: "SET synchronous_commit = off")
    }
    let refused = await refusals(bench)
    #expect(refused[0]?.contains("synchronous_commit is off") == true)
    #expect(try await bench.rows().isEmpty)
    await bench.store.close()
  }

  @Test func anotherClusterUnderTheSameAddressIsRefusedUntilRestart() async throws {
    let clusters = [try await TemporaryPostgres.start(), try await TemporaryPostgres.start()]
    var databases: [TestDatabase] = []
    for cluster in clusters {
      databases.append(try await TestDatabase.make(in: cluster, name: "identity"))
    }
    func socket(_ number: Int) -> String { clusters[number].directory + "/run/.s.PGSQL.5432" }
    let proxy = try CuttingProxy(to: socket(0))
    let through = proxy.configuration(databases[0].server)
    let bench = try await Together.open(databases[0], through: through)
    _ = try await bench.write([.tell()])
    proxy.retarget(to: socket(1))
    try await refuseEverything(bench, "another database cluster answers")
    proxy.retarget(to: socket(0))
    let deadline = ContinuousClock.now + .seconds(60)
    while await refusals(bench) != [nil, nil, nil] {
      try #require(ContinuousClock.now < deadline)
      await Task.yield()
    }
    // Started anew it takes the other one, and finds none of its organizations there.
    proxy.retarget(to: socket(1))
    let restarted = try await databases[0].store(clock: ManualClock(), through: through)
    #expect(try await restarted.organizations().isEmpty)
    await restarted.close()
    await bench.store.close()
    proxy.close()
    for cluster in clusters { try await cluster.remove() }
  }

  // MARK: Restored backups

  /// Puts the feed back to what a backup taken at `position` holds.
  private func restore(_ bench: Together, _ database: TestDatabase, to position: Int) throws {
    try database.run(
      ["feed", "feed_event", "idempotency"].map { table in
        "DELETE FROM consentd.\(table) WHERE organization_id = '\(bench.organization)' "
          + "AND position > \(position)"
      }.joined(separator: "; "))
  }

  /// - Returns: what the first write after the restore is told, and the second.
  private func afterRestore(
    grown: Int, _ name: String, broken: BrokenWrites? = nil
  ) async throws -> [String?] {
    let database = try await own(name)
    let bench = try await Together.open(database) { $0.brokenWrites = broken }
    _ = try await bench.write((0..<5).map { _ in .tell() })
    try restore(bench, database, to: 2)
    let other = try await database.store(clock: ManualClock())
    for _ in 0..<grown {
      _ = try await other.write(
        bench.organization, by: "other node", key: nil, Together.Write.tell().body)
    }
    var told: [String?] = []
    for _ in 0..<2 {
      told.append(await refusals(bench)[0])
    }
    try expectChained(try await bench.rows(), organization: bench.organization)
    await other.close()
    await bench.store.close()
    return told
  }

  @Test(arguments: [0, 1, 3, 4])
  func aFeedThatWentBackIsRefusedOnceAlsoWhenItGrewPastAgain(grown: Int) async throws {
    let told = try await afterRestore(grown: grown, "restored_\(grown)")
    #expect(told[0]?.contains("does not hold position 5") == true)
    #expect(told[1] == nil)
  }

  @Test func aWriterThatTrustsPositionsIsFound() async throws {
    #expect(try await afterRestore(grown: 4, "trusting", broken: .trustsPositions)[0] == nil)
  }

  @Test func aFeedThatOthersContinuedIsNoOtherHistory() async throws {
    let database = try await TestDatabase.shared.value
    let bench = try await Together.open()
    _ = try await bench.write([.tell(), .tell()])
    let other = try await database.store(clock: ManualClock())
    for _ in 0..<3 {
      _ = try await other.write(
        bench.organization, by: "other node", key: nil, Together.Write.tell().body)
      #expect(await refusals(bench) == [nil, nil, nil])
    }
    await other.close()
    await bench.store.close()
  }

  @Test func aWatcherOfAReplacedFeedIsTold() async throws {
    let database = try await own("watched")
    let bench = try await Together.open(database)
    _ = try await bench.write((0..<5).map { _ in .tell() })
    let place = WatchCursor(try #require(try await bench.read { try $0.head(at: 4) }))
    let hub = WatchHub(
      source: StoreFeedSource(store: bench.store), clock: SystemFeedClock(wall: ManualClock()))
    let stream = try await hub.subscribe(bench.organization, from: .after(place))
    var messages = stream.makeAsyncIterator()
    #expect(try await messages.next()?.rows.map(\.position) == [5])
    // The feed goes back and grows past both places again.
    try restore(bench, database, to: 2)
    let other = try await database.store(clock: ManualClock())
    for _ in 0..<6 {
      _ = try await other.write(
        bench.organization, by: "other node", key: nil, Together.Write.tell().body)
    }
    await #expect(throws: WatchError.historyReplaced(at: 4)) {
      try await hub.subscribe(bench.organization, from: .after(place))
    }
    await hub.poll()
    await #expect(throws: WatchError.historyReplaced(at: 5)) { _ = try await messages.next() }
    await hub.close()
    await other.close()
    await bench.store.close()
  }

  // MARK: Kinds of a later release

  @Test func aFeedRowOfAnUnknownKindStopsItsOrganizationAlone() async throws {
    let database = try await TestDatabase.shared.value
    let bench = try await Together.open()
    _ = try await bench.write([.tell(), .tell(), .tell()])
    #expect(await refusals(bench) == [nil, nil, nil])
    // Also where rows of known kinds follow it.
    try database.run(
      "UPDATE consentd.feed SET kind = 250 WHERE organization_id = '\(bench.organization)' "
        + "AND position = 3")
    // A process that has read past it keeps what it has read; one that starts sees it.
    let started = try await database.store(clock: ManualClock())
    let fresh = Together(store: started, organization: bench.organization)
    try await refuseEverything(fresh, "position 3 of the feed is of a kind")
    let settings = OrganizationSettings(id: random(), name: "Other", timeZone: "UTC")
    try await started.createOrganization(settings)
    #expect(
      await refusals(Together(store: started, organization: settings.id)) == [nil, nil, nil])
    await started.close()
    await bench.store.close()
  }

  @Test func aRowOfAnUnknownKindThatArrivesStopsAProcessThatRuns() async throws {
    let database = try await TestDatabase.shared.value
    let bench = try await Together.open()
    _ = try await bench.write([.tell(), .tell()])
    #expect(await refusals(bench) == [nil, nil, nil])
    try database.run(
      """
      INSERT INTO consentd.feed SELECT organization_id, position + 1, chain, known, fact_position,
        gen_random_uuid(), 251, recorded_by, event FROM consentd.feed
      WHERE organization_id = '\(bench.organization)' AND position = 3
      """)
    try await refuseEverything(bench, "position 4 of the feed is of a kind")
    await bench.store.close()
  }
}
