import ConsentCore
import EmbeddedPostgres
import Postgres
import ProofLog
import Synchronization
import Testing

@testable import ConsentStore

/// What is found by the look-up of decisions, and what not yet, is together what is logged.
@Suite(.fewAtOnce) struct LookupTests {
  static let seed = UInt64.random(in: 0...UInt64.max)

  @Test func everyQuestionFindsWhatAReadingOfAllFindsWhereverTheWorkStopped() async throws {
    let mistakes = try await LookupTrial(seed: Self.seed).mistakes()
    #expect(mistakes == [], "seed \(Self.seed)")
  }

  /// The trial must be able to fail.
  @Test(arguments: [BrokenLookup.movesOnFirst, .knowsFirstKeyOnly, .losesRunInMerge])
  func aBrokenLookupIsNoticed(broken: BrokenLookup) async throws {
    var isNoticed = false
    for attempt in 0..<5 where !isNoticed {
      let trial = LookupTrial(seed: Self.seed &+ UInt64(attempt), broken: broken)
      isNoticed = try await !trial.mistakes().isEmpty
    }
    #expect(isNoticed, "seed \(Self.seed)")
  }

  private func store(_ clock: ManualClock) async throws -> (PostgresConsentStore, OrganizationID) {
    let store = try await TestDatabase.shared.value.store(clock: clock)
    let settings = OrganizationSettings(id: random(), name: "Clinic", timeZone: "Etc/UTC")
    try await store.createOrganization(settings)
    return (store, settings.id)
  }

  @Test func theBacklogTellsHowManyAreBehindAndSinceWhen() async throws {
    let clock = ManualClock()
    let (store, organization) = try await store(clock)
    #expect(try await store.lookupBacklog(of: [organization]) == [])
    let start = clock.now()
    for hour in 0..<3 {
      _ = try await store.decide(organization) { reader in
        (0...hour).map { Build.decision(Build.key($0), at: reader.now, position: 0) }
      }
      clock.move(hours: 1)
    }
    #expect(
      try await store.lookupBacklog(of: [organization])
        == [LookupBacklog(organization: organization, decisions: 6, oldest: start, isDue: true)])
    // Batches are taken whole, at least one.
    #expect(try await store.extendLookup(of: organization, atMost: 1) == 1)
    #expect(
      try await store.lookupBacklog(of: [organization])
        == [
          LookupBacklog(
            organization: organization, decisions: 5, oldest: start.plus(hours: 1), isDue: true)
        ])
    #expect(try await store.extendLookup(of: organization, atMost: 100) == 5)
    #expect(try await store.extendLookup(of: organization, atMost: 100) == 0)
    #expect(
      try await store.lookupBacklog(of: [organization])
        == [LookupBacklog(organization: organization, decisions: 0, oldest: nil, isDue: false)])
    await store.close()
  }

  /// A log that has ended is looked at no more.
  @Test func aLogOfOneChangeIsWholeOnceItIsLookedUp() async throws {
    let clock = ManualClock()
    let (store, organization) = try await store(clock)
    _ = try await store.write(organization, by: "tester", key: nil) { writer in
      _ = try writer.log([Build.decision(Build.key(1), at: writer.now, position: 0)])
      _ = try writer.append(Build.patient(random()))
      return []
    }
    #expect(try await store.extendLookup(of: organization, atMost: 10) == 1)
    #expect(try await store.lookupBacklog(of: [organization]) == [])
    await store.close()
  }

  /// Also where nothing is signed: else every run of a node would be looked at for ever.
  @Test func aLogThatItsNodeEndedIsLookedAtNoMore() async throws {
    let clock = ManualClock()
    let (store, organization) = try await store(clock)
    let other = try await TestDatabase.shared.value.store(clock: clock)
    _ = try await store.decide(organization) { reader in
      [Build.decision(Build.key(1), at: reader.now, position: 0)]
    }
    #expect(try await other.extendLookup(of: organization, atMost: 10) == 1)
    #expect(try await other.lookupBacklog(of: [organization]).map(\.isDue) == [false])
    await store.close()
    #expect(try await other.lookupBacklog(of: [organization]).map(\.isDue) == [true])
    #expect(try await other.extendLookup(of: organization, atMost: 10) == 0)
    #expect(try await other.lookupBacklog(of: [organization]) == [])
    await other.close()
  }

  @Test func nodesThatDoTheSameWorkDoItOnce() async throws {
    let clock = ManualClock()
    let (store, organization) = try await store(clock)
    let database = try await TestDatabase.shared.value
    let others = [try await database.store(clock: clock), try await database.store(clock: clock)]
    var all: [LoggedDecision] = []
    for step in 0..<12 {
      for node in [store] + others {
        all += try await node.decide(organization) { reader in
          (0..<3).map { Build.decision(Build.key($0), at: reader.now, position: UInt64(step)) }
        }
      }
    }
    let done = try await withThrowingTaskGroup(of: Int.self) { group in
      for node in [store] + others {
        group.addTask {
          var done = 0
          while try await node.lookupBacklog(of: [organization]).contains(where: \.isDue) {
            done += try await node.extendLookup(of: organization, atMost: 5)
          }
          return done
        }
      }
      return try await group.reduce(0, +)
    }
    #expect(done == all.count)
    let filter = DecisionFilter(image: Build.key(1))
    let found = try await store.read(organization) { try $0.decisions(filter, limit: 1_000) }
    #expect(found.count == 36 && Set(found) == Set(all.filter(filter.matches)))
    // Set back by an administrator who left what was looked up: it is not added twice.
    let setBack = """
      UPDATE decision_lookup_progress SET leaves = 0, frontier = '', is_whole = false
      WHERE organization_id = '\(organization)';
      """
    try database.run(setBack)
    await #expect(throws: StoreError.self) {
      try await store.extendLookup(of: organization, atMost: 1_000)
    }
    // As the runbook says.
    try database.run(
      setBack
        + ["decision_run", "decision_run_page", "decision_place", "proof_log_subtree"].map {
          "DELETE FROM \($0) WHERE organization_id = '\(organization)';"
        }.joined())
    #expect(try await store.extendLookup(of: organization, atMost: 1_000) == all.count)
    #expect(try await store.read(organization) { try $0.decisions(filter, limit: 1_000) } == found)
    for node in [store] + others { await node.close() }
  }

  @Test func logsBegunBeforeTheLookupHaveTheirPlaceInIt() async throws {
    let cluster = try await TemporaryPostgres.shared()
    let database = TestDatabase(cluster: cluster, name: "looked_up_later")
    try PostgresConnection(database.administrator(of: "postgres"))
      .execute(script: "CREATE DATABASE looked_up_later")
    try Migrator(Array(Migration.all.prefix(8))).migrate(database.administrator())
    try database.run(
      """
      INSERT INTO proof_log VALUES (gen_random_uuid(), gen_random_uuid(), 1, 1, '', now()),
        (gen_random_uuid(), gen_random_uuid(), 1, 2, '', now())
      """)
    try Migrator().migrate(database.administrator())
    let counted = try PostgresConnection(database.administrator()).execute(
      PostgresStatement(
        name: "progress",
        sql: """
          SELECT count(*) FROM decision_lookup_progress p JOIN proof_log l USING (log_id)
          WHERE p.leaves = 0 AND NOT p.is_whole
          """)
    ).single().get(0, as: Int64.self)
    #expect(counted == 2)
  }

  @Test func whatWasLookedUpBeforeRunsIsLookedUpAgain() async throws {
    let cluster = try await TemporaryPostgres.shared()
    let database = TestDatabase(cluster: cluster, name: "looked_up_before")
    try PostgresConnection(database.administrator(of: "postgres"))
      .execute(script: "CREATE DATABASE looked_up_before")
    try Migrator(Array(Migration.all.prefix(11))).migrate(database.administrator())
    try database.run(
      """
      INSERT INTO proof_log VALUES (gen_random_uuid(), gen_random_uuid(), 1, 2, '', now());
      UPDATE decision_lookup_progress
      SET leaves = 1, frontier = sha256('\\x00'), is_whole = true
      """)
    try Migrator().migrate(database.administrator())
    let waiting = try PostgresConnection(database.administrator()).execute(
      PostgresStatement(
        name: "set_back",
        sql: """
          SELECT count(*) FROM decision_lookup_progress
          WHERE leaves = 0 AND frontier = '' AND NOT is_whole
          """)
    ).single().get(0, as: Int64.self)
    #expect(waiting == 1)
  }

  /// The same proofs as from every leaf, wherever the work stands; some hundreds of leaves more than
  /// the smallest subtree that is kept.
  @Test func proofsAreTheSameHoweverMuchOfTheTreeIsKept() async throws {
    var generator = SeededGenerator(seed: Self.seed)
    let clock = ManualClock()
    let (store, organization) = try await store(clock)
    var leaves: [TreeHash] = []
    var log: ID<DecisionLog> = random()
    for step in 0..<24 {
      let count = Int.random(in: 1...90, using: &generator)
      let logged = try await store.decide(organization) { reader in
        (0..<count).map { Build.decision(Build.key($0), at: reader.now, position: 0) }
      }
      log = logged[0].id.log
      leaves += logged.map { decision in
        .leaf(
          LogRecord(
            organization: organization, id: decision.id, head: decision.head,
            entry: decision.entry
          ).bytes)
      }
      if step % 3 == 0 {
        _ = try await store.extendLookup(
          of: organization, atMost: .random(in: 1...400, using: &generator))
      }
      let size = UInt64(leaves.count)
      let pairs = (0..<3).map { _ in
        let second = UInt64.random(in: 1...size, using: &generator)
        return (UInt64.random(in: 0..<second, using: &generator), second)
      }
      let expected = MerkleProver(leaves: leaves)
      for (first, second) in pairs {
        let found = try await store.read(organization) { [log] reader in
          let prover = try reader.prover(of: log, size: size)
          return (
            try prover.inclusion(leaf: first, size: second),
            try prover.consistency(first: first, second: second), try prover.root(size: second)
          )
        }
        #expect(
          try found.0 == expected.inclusion(leaf: first, size: second), "seed \(Self.seed)")
        #expect(
          try found.1 == expected.consistency(first: first, second: second), "seed \(Self.seed)")
        #expect(try found.2 == expected.root(size: second), "seed \(Self.seed)")
      }
    }
    // A root that was put there by somebody else is used: that is why the result is compared with
    // the signed one before it is told.
    while try await store.extendLookup(of: organization, atMost: 400) > 0 {}
    try await TestDatabase.shared.value.run(
      """
      UPDATE proof_log_subtree SET root = sha256(root) WHERE log_id = '\(log)' AND level = 8
      """)
    let size = UInt64(leaves.count)
    let root = try await store.read(organization) { [log] reader in
      try reader.prover(of: log, size: size).root(size: 256)
    }
    #expect(try root != MerkleProver(leaves: leaves).root(size: 256))
    await store.close()
  }

  /// Nothing of a batch that is not what was logged gets looked up, and the work says so.
  @Test func aRecordThatWasChangedIsNoticedOnTheWay() async throws {
    let clock = ManualClock()
    let (store, organization) = try await store(clock)
    for _ in 0..<2 {
      _ = try await store.decide(organization) { reader in
        [Build.decision(Build.key(1), at: reader.now, position: 0)]
      }
    }
    #expect(try await store.extendLookup(of: organization, atMost: 1) == 1)
    // The last byte is of the rules version: the record still reads.
    try await TestDatabase.shared.value.run(
      """
      UPDATE proof_log_batch
      SET records = set_byte(records, octet_length(records) - 2,
        get_byte(records, octet_length(records) - 2) # 2)
      WHERE organization_id = '\(organization)' AND first_leaf = 1
      """)
    await #expect(throws: StoreError.self) {
      try await store.extendLookup(of: organization, atMost: 1)
    }
    #expect(try await store.lookupBacklog(of: [organization]).map(\.decisions) == [1])
    await store.close()
  }

  @Test func pagesComeBackAndNoBytesTrap() throws {
    var generator = SeededGenerator(seed: Self.seed)
    for _ in 0..<300 {
      let entries = Self.entries(&generator)
      let most = Int.random(in: 100...2_000, using: &generator)
      var writer = LookupPage.Writer(mostBytes: most)
      var pages: [LookupPage] = []
      for entry in entries {
        writer.add(entry)
        // Twice in a record and in two runs alike.
        if Bool.random(using: &generator) { writer.add(entry) }
        if Bool.random(using: &generator) { pages += writer.take(end: false) }
      }
      pages += writer.take(end: true)
      #expect(try pages.flatMap { try #require($0.entries()) } == entries, "seed \(Self.seed)")
      for page in pages {
        #expect(page.bytes.count <= most)
        let all = try #require(page.entries())
        #expect(all.first?.key.word == page.word && all.first?.at == page.from)
        for word in Set(entries.map(\.key.word)) {
          #expect(
            page.entries(of: word) == all.filter { $0.key.word == word }, "seed \(Self.seed)")
        }
        for _ in 0..<4 {
          var bytes = page.bytes
          let place = Int.random(in: bytes.indices, using: &generator)
          bytes[place] = .random(in: 0...255, using: &generator)
          bytes.removeLast(Int.random(in: 0...place, using: &generator))
          let changed = LookupPage(
            word: .random(in: .min ... .max, using: &generator),
            from: Instant(microseconds: .random(in: .min ... .max, using: &generator)),
            bytes: bytes)
          _ = changed.entries()
        }
      }
    }
  }

  @Test func placesComeBackAndNoBytesTrap() throws {
    var generator = SeededGenerator(seed: Self.seed)
    for _ in 0..<300 {
      let first = UInt64.random(in: 0...5_000_000_000, using: &generator)
      var row = LookupPlaces(log: random(), firstLeaf: first)
      var expected: [LookupPlace] = []
      for _ in 0..<Int.random(in: 1...6, using: &generator) {
        let lengths = (0..<Int.random(in: 1...40, using: &generator)).map { _ in
          Int.random(in: 0...70_000, using: &generator)
        }
        let batch = first + UInt64(expected.count)
        var offset = 0
        for length in lengths {
          offset += 4
          expected.append(LookupPlace(batch: batch, offset: offset, length: length))
          offset += length
        }
        row.add(lengths)
      }
      #expect(row.places() == expected, "seed \(Self.seed)")
      var bytes = row.bytes
      for _ in 0..<20 {
        let place = Int.random(in: bytes.indices, using: &generator)
        bytes[place] = .random(in: 0...255, using: &generator)
        _ = LookupPlaces(log: random(), firstLeaf: .random(in: 0...(.max)), bytes: bytes).places()
      }
    }
  }

  /// Of few keys, some of which have one word.
  private static func entries(_ generator: inout SeededGenerator) -> [LookupEntry] {
    let logs: [ID<DecisionLog>] = (0..<3).map { _ in random() }
    let words = (0..<6).map { _ in Int64.random(in: .min ... .max, using: &generator) }
    let entries = (0..<Int.random(in: 1...200, using: &generator)).map { _ in
      let grant: UInt64? =
        Bool.random(using: &generator) ? .random(in: 0...2, using: &generator) : nil
      let word: Int64 = words.randomElement(using: &generator) ?? 0
      return LookupEntry(
        key: LookupKey(word: word, grant: grant),
        at: Instant(microseconds: .random(in: -200_000_000...200_000_000, using: &generator)),
        log: logs.randomElement(using: &generator) ?? logs[0],
        leaf: .random(in: 0...5_000_000_000, using: &generator),
        position: grant == nil ? 0 : .random(in: 0...1_000, using: &generator),
        isPermit: .random(using: &generator), isUse: .random(using: &generator))
    }
    return entries.sorted { $0.isSorted(before: $1) }
  }
}

/// A random log of some nodes, looked up to random places with work that is broken off at random,
/// and random questions about it.
struct LookupTrial {
  let seed: UInt64
  var broken: BrokenLookup?

  struct Stopped: Error {}

  /// The questions that were answered otherwise than from memory.
  func mistakes() async throws -> [String] {
    var generator = SeededGenerator(seed: seed)
    // Small, so that runs are merged again and again and a key has many pages.
    let shape = LookupShape(
      fanOut: .random(in: 2...4, using: &generator),
      lastLevel: .random(in: 1...4, using: &generator),
      pageBytes: .random(in: 100...600, using: &generator))
    var countsByWordThatDiffer = 0
    let clock = ManualClock()
    let database = try await TestDatabase.shared.value
    let stop = Mutex<LookupPoint?>(nil)
    var nodes: [PostgresConsentStore] = []
    for _ in 0..<2 {
      nodes.append(
        try await database.store(clock: clock) { options in
          options.brokenLookup = broken
          options.lookupShape = shape
          options.reachesLookup = { point in
            if stop.withLock({ $0 == point }) { throw Stopped() }
          }
        })
    }
    let settings = OrganizationSettings(id: random(), name: "Clinic", timeZone: "Etc/UTC")
    try await nodes[0].createOrganization(settings)
    let things = Things()
    var all: [LoggedDecision] = []
    var mistakes: [String] = []
    for step in 0..<24 {
      let node = nodes[Int.random(in: 0..<nodes.count, using: &generator)]
      // So that the head is past every position that a decision names.
      _ = try await node.write(settings.id, by: "tester", key: nil) { writer in
        _ = try writer.append(Change(events: [Build.event(.documentStored)]))
        return []
      }
      let entries = (0..<Int.random(in: 1...12, using: &generator)).map { _ in
        things.entry(at: clock.now(), position: UInt64(step), &generator)
      }
      if Int.random(in: 0..<5, using: &generator) == 0 {
        let logged = Gathered<LoggedDecision>()
        _ = try await node.write(settings.id, by: "tester", key: nil) { writer in
          logged.add(try writer.log(entries))
          _ = try writer.append(Change(events: [Build.event(.documentStored)]))
          return []
        }
        all += logged.all
      } else {
        all += try await node.decide(settings.id) { _ in entries }
      }
      clock.move(hours: Int64.random(in: 0...1, using: &generator))
      for _ in 0..<Int.random(in: 0...2, using: &generator) {
        let point = LookupPoint.allCases.randomElement(using: &generator)
        stop.withLock { $0 = Bool.random(using: &generator) ? point : nil }
        let most = Int.random(in: 1...20, using: &generator)
        let worker = nodes[Int.random(in: 0..<nodes.count, using: &generator)]
        do {
          _ = try await worker.extendLookup(of: settings.id, atMost: most)
        } catch is Stopped {}
      }
      for _ in 0..<6 {
        let filter = things.filter(around: all, &generator)
        let limit = Int.random(in: 1...150, using: &generator)
        let expected = Array(
          all.filter(filter.matches).sorted { $0.isListed(before: $1) }.prefix(limit))
        let found = try await nodes[0].read(settings.id) { try $0.decisions(filter, limit: limit) }
        if found != expected { mistakes.append("step \(step): \(filter), limit \(limit)") }
      }
      let grants = Set(things.grants.filter { _ in Bool.random(using: &generator) })
      let below = UInt64.random(in: 0...UInt64(step + 1), using: &generator)
      let notice = all.randomElement(using: &generator)?.entry.decision.at ?? .distantPast
      let counted = try await nodes[0].read(settings.id) { reader in
        try reader.countUses(under: grants, below: below, notice: notice)
      }
      let expected = Things.count(all, grants, below: below, notice: notice)
      if counted != expected { mistakes.append("step \(step): \(counted) uses") }
      let sameWord = Set(things.grants.filter { grant in grants.contains { $0.low == grant.low } })
      if Things.count(all, sameWord, below: below, notice: notice) != expected {
        countsByWordThatDiffer += 1
      }
    }
    if countsByWordThatDiffer == 0 { mistakes.append("no two grants were told apart") }
    for node in nodes { await node.close() }
    return mistakes
  }
}

/// Few patients, images, users and grants, so that each is met often; and of what is told apart by more
/// than 64 bits, some have the same 64.
private struct Things {
  let patients: [PatientID]
  let grants: [GrantID]
  let images = (0..<8).map { Build.key($0) }
  let users = (0..<3).map { Identifier(system: "urn:staff", value: String($0)) }
  let reasons: [Reason] = [.authorizationValid, .noAuthorization, .emergencyOverride, .refused]

  init() {
    func same<Subject>(as word: Int64) -> ID<Subject> {
      ID(high: (random() as ID<Subject>).high, low: UInt64(bitPattern: word))
    }
    let image = LookupKey(images[0]).word
    let patient: PatientID = random()
    patients = [
      same(as: image), same(as: LookupKey(reason: Reason.noAuthorization.rawValue).word), patient,
      same(as: Int64(bitPattern: patient.low)),
    ]
    let grant: GrantID = random()
    grants = [
      same(as: image), grant, same(as: Int64(bitPattern: grant.low)),
      same(as: LookupKey(actor: users[0]).word),
    ]
  }

  func entry(
    at now: Instant, position: UInt64, _ generator: inout SeededGenerator
  ) -> DecisionEntry {
    let spread: Int64 = [0, 0, 30_000_000, 400_000_000].randomElement(using: &generator) ?? 0
    var entry = Build.decision(
      images[Int.random(in: 0..<8, using: &generator)],
      at: now.adding(microseconds: .random(in: -spread...spread, using: &generator)),
      position: .random(in: 0...position, using: &generator),
      effect: Bool.random(using: &generator) ? .permit : .deny,
      patient: Bool.random(using: &generator) ? patients.randomElement(using: &generator) : nil)
    entry.decision.primary = reasons.randomElement(using: &generator) ?? .noAuthorization
    for grant in grants where Int.random(in: 0..<3, using: &generator) == 0 {
      entry.decision.records.append(
        DecidingRecord(
          part: Bool.random(using: &generator) ? .basis : .failed,
          record: RecordReference(kind: .instrument, id: random()), grant: grant,
          reason: .authorizationValid))
    }
    entry.request.actor?.user = users.randomElement(using: &generator) ?? users[0]
    if Int.random(in: 0..<6, using: &generator) == 0 { entry.request.actor = nil }
    entry.request.intent = Bool.random(using: &generator) ? .use : .preview
    if Int.random(in: 0..<4, using: &generator) == 0 {
      let members = images.filter { _ in Bool.random(using: &generator) }
      entry.group = .init(images: members, expectedCount: nil, differing: [])
    }
    return entry
  }

  func filter(
    around all: [LoggedDecision], _ generator: inout SeededGenerator
  ) -> DecisionFilter {
    var filter = DecisionFilter()
    func maybe() -> Bool { Int.random(in: 0..<3, using: &generator) == 0 }
    if maybe() { filter.patient = patients.randomElement(using: &generator) }
    if maybe() { filter.image = images.randomElement(using: &generator) }
    if maybe() { filter.basisGrant = grants.randomElement(using: &generator) }
    if maybe() { filter.actor = users.randomElement(using: &generator) }
    if maybe() { filter.primaries = Set(reasons.filter { _ in Bool.random(using: &generator) }) }
    if maybe() { filter.effect = Bool.random(using: &generator) ? .permit : .deny }
    if maybe() { filter.usesOnly = true }
    if maybe() { filter.positionFrom = .random(in: 0...20, using: &generator) }
    if maybe() { filter.positionUntil = .random(in: 5...25, using: &generator) }
    if maybe() { filter.from = all.randomElement(using: &generator)?.entry.decision.at }
    if maybe() { filter.until = all.randomElement(using: &generator)?.entry.decision.at }
    return filter
  }

  static func count(
    _ all: [LoggedDecision], _ grants: Set<GrantID>, below position: UInt64, notice: Instant
  ) -> UseCount {
    var count = UseCount()
    for logged in all {
      let decision = logged.entry.decision
      guard decision.effect == .permit, logged.entry.request.intent == .use,
        decision.position < position,
        decision.records.contains(where: { record in
          record.part == .basis && record.grant.map(grants.contains) ?? false
        })
      else { continue }
      count.uses += 1
      if decision.at >= notice { count.afterNotice += 1 }
    }
    return count
  }
}
