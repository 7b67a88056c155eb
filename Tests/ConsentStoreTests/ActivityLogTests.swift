import ConsentCore
import ConsentStore
import EmbeddedPostgres
import Postgres
import ProofLog
import Testing

@testable import ConsentStore

/// Reads of patient records are durable in a log of their own before they are answered.
@Suite(.fewAtOnce) struct ActivityLogTests {
  static func access(
    _ patients: PatientID..., by caller: String = "desk", at: Instant = ManualClock().now()
  ) -> Access {
    Access(caller: caller, method: "GetPatient", patients: patients, subject: "p", at: at)
  }

  static func store(
    _ database: TestDatabase? = nil, signer: LogSigner? = nil, broken: BrokenActivity? = nil,
    through server: PostgresConfiguration? = nil
  ) async throws -> (PostgresConsentStore, OrganizationID) {
    let shared = try await TestDatabase.shared.value
    let store = try await (database ?? shared).store(clock: ManualClock(), through: server) {
      $0.brokenActivity = broken
      $0.logSigner = signer
    }
    let settings = OrganizationSettings(id: random(), name: "Clinic", timeZone: "Etc/UTC")
    try await store.createOrganization(settings)
    return (store, settings.id)
  }

  static func decide(
    _ store: PostgresConsentStore, _ organization: OrganizationID, patient: PatientID? = nil
  ) async throws -> [LoggedDecision] {
    try await store.decide(organization) { reader in
      [Build.decision(Build.key(1), at: reader.now, position: 0, patient: patient)]
    }
  }

  @Test(arguments: Backend.allCases)
  func whatIsLoggedIsListedInOrderAndByWhatIsAsked(backend: Backend) async throws {
    let bench = try await backend.open()
    let (store, organization) = (bench.store, bench.organization)
    let patients: [PatientID] = [random(), random()]
    let start = bench.clock.now()
    var all: [LoggedAccess] = []
    for step in 0..<12 {
      // Some calls bring accesses that lie minutes apart, some that come later and are earlier.
      all += try await store.log(
        (0...step % 3).map { number in
          Self.access(
            patients[(step + number) % 2], by: step % 4 == 0 ? "desk" : "ward",
            at: start.adding(microseconds: Int64(step * 700_000 - number * 90_000_000)))
        }, of: organization)
    }
    #expect(all.map(\.id.leaf) == all.indices.map { UInt64($0) + 1 })
    #expect(Set(all.map(\.id.log)).count == 1)
    for logged in all {
      let record = try await bench.read { try $0.logRecord(logged.id) }
      #expect(record.flatMap { ActivityRecord($0) }?.activity == .access(logged.access))
      #expect(try await bench.read { try $0.decision(logged.id) } == nil)
    }
    all.sort { ($0.access.at, $0.id.leaf) < ($1.access.at, $1.id.leaf) }
    func ids(_ filter: AccessFilter, after cursor: DecisionID? = nil, limit: Int = 99) async throws
      -> [DecisionID]
    {
      try await store.accesses(of: organization, filter, after: cursor, limit: limit).map(\.id)
    }
    #expect(try await ids(AccessFilter()) == all.map(\.id))
    for patient in patients {
      let expected = all.filter { $0.access.patients == [patient] }.map(\.id)
      #expect(try await ids(AccessFilter(patient: patient)) == expected)
    }
    for from in [start, start.adding(microseconds: -80_000_000)] {
      let until = start.adding(microseconds: 4_000_000)
      let filter = AccessFilter(caller: "ward", from: from, until: until)
      let expected = all.filter {
        $0.access.caller == "ward" && $0.access.at >= from && $0.access.at < until
      }
      #expect(try await ids(filter) == expected.map(\.id))
    }
    var paged: [DecisionID] = []
    while paged.count < 99 {
      let page = try await ids(AccessFilter(), after: paged.last, limit: 5)
      if page.isEmpty { break }
      paged += page
    }
    #expect(paged == all.map(\.id))
    await #expect(throws: InvalidChange.self) {
      _ = try await ids(AccessFilter(), after: DecisionID(log: all[0].id.log, leaf: 99))
    }
    #expect(try await bench.read { try $0.decisions(DecisionFilter(), limit: 9) } == [])
    await #expect(throws: StoreError.unknownOrganization) {
      _ = try await store.log([Self.access(patients[0])], of: random())
    }
    await store.close()
  }

  @Test(arguments: Backend.allCases)
  func theFeedIsAnchoredWhenItHasMoved(backend: Backend) async throws {
    let bench = try await backend.open()
    #expect(try await bench.store.anchorFeed(of: bench.organization) == false)
    try await bench.append(Build.patient(random()))
    #expect(try await bench.store.anchorFeed(of: bench.organization))
    #expect(try await bench.store.anchorFeed(of: bench.organization) == false)
    try await bench.append(Build.patient(random()))
    #expect(try await bench.store.anchorFeed(of: bench.organization))
    let (organization, store) = (bench.organization, bench.store)
    let logged = try await store.log([Self.access()], of: organization)
    let anchors = try await bench.read { reader in
      try (0..<logged[0].id.leaf).compactMap { leaf in
        let bytes = try reader.logRecord(DecisionID(log: logged[0].id.log, leaf: leaf))
        guard case .changes(let anchor)? = bytes.flatMap({ ActivityRecord($0) })?.activity else {
          return nil as FeedAnchor?
        }
        return anchor
      }
    }
    let heads = try await bench.read { reader in try (1...2).map { try reader.head(at: $0) } }
    #expect(
      anchors == [
        FeedAnchor(from: 0, to: 1, chain: heads[0]?.chain ?? []),
        FeedAnchor(from: 1, to: 2, chain: heads[1]?.chain ?? []),
      ])
    #expect(logged[0].head == heads[1])
    await store.close()
  }

  @Test func callsThatComeTogetherShareBatchesAndAreSigned() async throws {
    let signer = try LogSigner(keyFile: try #require(LogSigner.newKey(name: "node")))
    let (store, organization) = try await Self.store(signer: signer)
    let logged = try await withThrowingTaskGroup(of: [LoggedAccess].self) { group in
      for number in 0..<60 {
        group.addTask {
          try await store.log([Self.access(by: "\(number)")], of: organization)
        }
      }
      return try await group.reduce(into: []) { $0 += $1 }
    }
    #expect(Set(logged.map(\.id)).count == 60 && Set(logged.map(\.access.caller)).count == 60)
    #expect(Set(logged.compactMap(\.receipt?.treeSize)).count < 30)
    for access in logged {
      let receipt = try #require(access.receipt)
      let checkpoint = Checkpoint(
        organization: organization, log: access.id.log, size: receipt.treeSize, root: receipt.root)
      #expect(
        signer.verifierKey.isValid(receipt.signature, for: Array(checkpoint.text.utf8)))
    }
    await store.close()
  }

  /// What the answer says when COMMIT undoes the batch, and what is listed then.
  private func undone(_ broken: BrokenActivity?) async throws -> (isRefused: Bool, listed: Int) {
    let name = "activity_undone" + (broken == nil ? "" : "_broken")
    let database = try await TestDatabase.make(in: .shared(), name: name)
    let (store, organization) = try await Self.store(database, broken: broken)
    try database.run(
      """
      CREATE FUNCTION public.harm() RETURNS trigger LANGUAGE plpgsql AS $$
      BEGIN RAISE EXCEPTION 'undone' USING ERRCODE = 'disk_full'; END $$;
      CREATE CONSTRAINT TRIGGER harm AFTER INSERT ON consentd.proof_log
        DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION public.harm();
      """)
    var isRefused = false
    do {
      _ = try await store.log([Self.access(random())], of: organization)
    } catch is StoreError {
      isRefused = true
    }
    try database.run("DROP TRIGGER harm ON consentd.proof_log")
    let listed = try await store.accesses(of: organization, AccessFilter(), after: nil, limit: 9)
    await store.close()
    return (isRefused, listed.count)
  }

  @Test func nothingIsAnsweredThatIsNotCommitted() async throws {
    let outcome = try await undone(nil)
    #expect(outcome.isRefused && outcome.listed == 0)
  }

  @Test func anAnswerBeforeCommitIsNoticed() async throws {
    let outcome = try await undone(.tellsBeforeCommit)
    #expect(!outcome.isRefused && outcome.listed == 0)
  }

  /// The reply of COMMIT is lost.
  private func inDoubt(_ broken: BrokenActivity?) async throws -> (told: [DecisionID], listed: Int)
  {
    let database = try await TestDatabase.shared.value
    let proxy = try CuttingProxy(to: database.cluster.directory + "/run/.s.PGSQL.5432")
    let (store, organization) = try await Self.store(
      broken: broken, through: proxy.configuration(database.server))
    var told = try await store.log([Self.access(random())], of: organization).map(\.id)
    proxy.cutNextCommits()
    told += try await store.log([Self.access(random())], of: organization).map(\.id)
    #expect(proxy.cuts == 1)
    told += try await store.log([Self.access(random())], of: organization).map(\.id)
    let listed = try await store.accesses(of: organization, AccessFilter(), after: nil, limit: 9)
    #expect(Set(told).isSubset(of: Set(listed.map(\.id))))
    proxy.close()
    await #expect(throws: StoreError.self) {
      _ = try await store.log([Self.access(random())], of: organization)
    }
    await store.close()
    return (told, listed.count)
  }

  @Test func whatWasInDoubtIsLoggedOnceAndAnUnreachableDatabaseIsAnError() async throws {
    let outcome = try await inDoubt(nil)
    #expect(outcome.listed == 3)
    // The log whose outcome was in doubt has ended.
    #expect(
      outcome.told[0].log == outcome.told[1].log && outcome.told[2].log != outcome.told[0].log)
  }

  @Test func aBatchThatIsRepeatedInDoubtIsNoticed() async throws {
    #expect(try await inDoubt(.repeatsInDoubt).listed == 4)
  }

  /// The log's last batch is gone, as after a restored backup: does the next go behind the gap?
  private func gap(_ broken: BrokenActivity?) async throws -> Bool {
    let (store, organization) = try await Self.store(broken: broken)
    let database = try await TestDatabase.shared.value
    let first = try await store.log([Self.access()], of: organization)
    _ = try await store.log([Self.access()], of: organization)
    try database.run(
      "DELETE FROM proof_log_batch WHERE log_id = '\(first[0].id.log)' AND first_leaf = 2")
    let next = try await store.log([Self.access()], of: organization)
    await store.close()
    return next[0].id.log == first[0].id.log
  }

  @Test func aLogThatLostItsEndIsNotGoneOnWith() async throws {
    #expect(try await !gap(nil))
    #expect(try await gap(.forgetsTail))
  }

  @Test func aLogThatWasFencedBeginsAnewAndADeadNodesIsClosed() async throws {
    let nodes = try await ClosedLogTests.Nodes.open(.takesAllForDead)
    let log = { (store: PostgresConsentStore) in
      try await store.log([Self.access()], of: nodes.organization)
    }
    let fenced = try await log(nodes.first)
    let closings = try await nodes.second.closeDeadLogs(of: nodes.organization)
    #expect(closings.fenced == [fenced[0].id.log] && closings.closed == [fenced[0].id.log])
    let after = try await log(nodes.first)
    #expect(after[0].id.log != fenced[0].id.log && after[0].id.leaf >= 1)
    let listed = try await nodes.second.accesses(
      of: nodes.organization, AccessFilter(), after: nil, limit: 9)
    #expect(Set(listed.map(\.id)) == Set((fenced + after).map(\.id)))
    let verified = try LogVerifierTests.verify(nodes.exported(), keys: nodes.keys)
    #expect(verified.count == 2)
    #expect(verified.first { $0.origin.hasSuffix("\(fenced[0].id.log)") }?.closedBy == "second")
    await nodes.close()
  }

  /// Whoever reads decisions passes activity over, whether it is looked up or not.
  @Test func readersOfDecisionsPassActivityOver() async throws {
    let (store, organization) = try await Self.store()
    let patient: PatientID = random()
    func mixed() async throws -> LoggedDecision {
      _ = try await store.log(
        (0..<300).map { _ in Self.access(patient) }, of: organization)
      let decision = try await Self.decide(store, organization, patient: patient)[0]
      _ = try await store.log([Self.access(patient)], of: organization)
      return decision
    }
    func require(_ decisions: [LoggedDecision]) async throws {
      let filters = [
        DecisionFilter(), DecisionFilter(patient: patient),
        DecisionFilter(from: ManualClock().now(), image: Build.key(1)),
      ]
      for filter in filters {
        let found = try await store.read(organization) { try $0.decisions(filter, limit: 9) }
        #expect(found.map(\.id).sorted { $0.leaf < $1.leaf } == decisions.map(\.id))
      }
      let uses = try await store.countUses(
        organization, under: [random()], below: nil, notice: .distantPast)
      #expect(uses.isWhole && uses.uses == 0)
    }
    var decisions = [try await mixed()]
    try await require(decisions)
    var backlog = try await store.lookupBacklog(of: [organization])
    #expect(backlog.map(\.decisions) == [1] && backlog.map(\.isDue) == [true])
    #expect(try await store.extendLookup(of: organization, atMost: 1_000) == 1)
    backlog = try await store.lookupBacklog(of: [organization])
    #expect(backlog.map(\.decisions) == [0] && backlog.map(\.isDue) == [false])
    try await require(decisions)
    decisions.append(try await mixed())
    try await require(decisions)
    // The job keeps the roots of the activity log's subtrees too.
    let listed = try await store.accesses(of: organization, AccessFilter(), after: nil, limit: 1)
    #expect(try await store.extendLookup(of: organization, atMost: 1_000) == 1)
    try await store.read(organization) { reader in
      let log = try #require(try reader.logs(.one(listed[0].id.log)).first)
      #expect(log.kind == 3 && log.size == 603)
      let path = try reader.prover(of: log.id, size: log.size).inclusion(leaf: 7, size: log.size)
      let record = try #require(try reader.logRecord(DecisionID(log: log.id, leaf: 7)))
      let root = try TreeHash.root(of: .leaf(record), leaf: 7, size: log.size, path: path)
      #expect(root == log.root)
      #expect(try reader.logs(.notEnded).count == 2)
    }
    await store.close()
    let (other, _) = try await Self.store()
    #expect(try await other.extendLookup(of: organization, atMost: 1_000) == 0)
    #expect(try await other.lookupBacklog(of: [organization]) == [])
    await other.close()
  }
}
