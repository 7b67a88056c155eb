import ConsentCore
import ConsentStore
import Foundation
import Postgres
import ProofLog
import Testing

/// The packed decision log: what is handed out agrees with what is stored.
@Suite(.fewAtOnce) struct PackedLogTests {
  static let seed = UInt64.random(in: 0...UInt64.max)

  private func leaf(_ logged: LoggedDecision, _ organization: OrganizationID) -> TreeHash {
    .leaf(
      LogRecord(
        organization: organization, id: logged.id, head: logged.head, entry: logged.entry
      ).bytes)
  }

  @Test(arguments: Backend.allCases)
  func receiptsAreTheRootsOfTheRecords(backend: Backend) async throws {
    let bench = try await backend.open()
    var tree = MerkleTree()
    for step in 0..<12 {
      if step % 3 == 1 { try await bench.append(Build.patient(random())) }
      let logged = try await bench.store.decide(bench.organization) { reader in
        (0...step % 5).map {
          Build.decision(Build.key($0), at: reader.now, position: reader.head.position)
        }
      }
      for decision in logged {
        #expect(decision.id.leaf == tree.size)
        tree.append(leaf(decision, bench.organization))
      }
      let receipt = try #require(logged.first?.receipt)
      #expect(logged.allSatisfy { $0.receipt == receipt })
      #expect(receipt.treeSize == tree.size && receipt.root == tree.root)
      #expect(receipt.signature.isEmpty)
    }
  }

  @Test func rootsAreSignedAndReadAgainWithTheSameSignature() async throws {
    let signer = try LogSigner(keyFile: try #require(LogSigner.newKey(name: "test")))
    let database = try await TestDatabase.shared.value
    let clock = ManualClock()
    let store = try await PostgresConsentStore.open(
      database.server, clock: clock,
      options: PostgresConsentStore.Options(
        masterKeys: [TestDatabase.masterKey], logSigner: signer, readLanes: 1, writeLanes: 1,
        decisionLanes: 1))
    let settings = OrganizationSettings(id: random(), name: "Clinic", timeZone: "Etc/UTC")
    try await store.createOrganization(settings)
    let bench = Bench(store: store, organization: settings.id, clock: clock)
    let logged = try await store.decide(settings.id) { reader in
      [Build.decision(Build.key(1), at: reader.now, position: 0)]
    }
    let receipt = try #require(logged[0].receipt)
    let checkpoint = Checkpoint(
      organization: settings.id, log: logged[0].id.log, size: receipt.treeSize, root: receipt.root)
    let note = SignedNote(
      text: checkpoint.text,
      signatures: [
        .init(
          name: "test", keyHash: signer.verifierKey.keyHash, bytes: receipt.signature)
      ])
    #expect(try note.verify(signer.verifierKeys).count == 1)
    #expect(try await bench.read { try $0.decision(logged[0].id) } == logged[0])
    await store.close()
  }

  /// Batches whose decisions lie far apart reach into periods before and after their own.
  @Test(arguments: Backend.allCases)
  func everyPeriodIsListedCompletelyAndInOrder(backend: Backend) async throws {
    var generator = SeededGenerator(seed: Self.seed)
    let bench = try await backend.open()
    let start = bench.clock.now()
    var all: [LoggedDecision] = []
    for step in 0..<30 {
      let spread: Int64 = [0, 900_000, 5_000_000, 60_000_000][step % 4]
      let offsets = (0..<Int.random(in: 1...6, using: &generator)).map { _ in
        Int64(step) * 1_500_000 + Int64.random(in: 0...spread, using: &generator)
      }
      all += try await bench.store.decide(bench.organization) { _ in
        offsets.enumerated().map { number, offset in
          Build.decision(
            Build.key(number), at: start.adding(microseconds: offset), position: 0,
            effect: number % 2 == 0 ? .permit : .deny)
        }
      }
    }
    all.sort {
      ($0.entry.decision.at, $0.id.log, $0.id.leaf) < ($1.entry.decision.at, $1.id.log, $1.id.leaf)
    }
    for _ in 0..<25 {
      let from = start.adding(microseconds: .random(in: -5_000_000...90_000_000, using: &generator))
      let until = from.adding(microseconds: .random(in: 0...40_000_000, using: &generator))
      let filter = DecisionFilter(
        from: Bool.random(using: &generator) ? from : nil,
        until: Bool.random(using: &generator) ? until : nil,
        effect: Bool.random(using: &generator) ? .deny : nil)
      let limit = Int.random(in: 1...120, using: &generator)
      let found = try await bench.read { try $0.decisions(filter, limit: limit) }
      let expected = all.filter { decision in
        let at = decision.entry.decision.at
        return filter.from.map { at >= $0 } ?? true && filter.until.map { at < $0 } ?? true
          && filter.effect.map { decision.entry.decision.effect == $0 } ?? true
      }
      #expect(found == Array(expected.prefix(limit)), "seed \(Self.seed)")
    }
  }

  /// Records of version 1, one a row, as they were written before.
  @Test func whatWasLoggedBeforeIsStillRead() async throws {
    let bench = try await Backend.postgres.open()
    let now = bench.clock.now()
    let entries = (0..<3).map {
      Build.decision(Build.key($0), at: now.plus(hours: Int64($0)), position: 0)
    }
    let log: ID<DecisionLog> = random()
    let rows = try entries.enumerated().map { leaf, entry in
      let json = try JSONEncoder().encode(entry)
      let digits = ([1] + Array(json)).map { String(format: "%02x", $0) }.joined()
      return """
        INSERT INTO decision_log VALUES ('\(bench.organization)', '\(log)', \(leaf), 0,
          to_timestamp(\(entry.decision.at.microseconds) / 1000000.0), '\\x\(digits)');
        """
    }
    let database = try await TestDatabase.shared.value
    try database.run(
      """
      BEGIN; SELECT set_config('consentd.organizations', '{\(bench.organization)}', true);
      \(rows.joined(separator: "\n")) COMMIT
      """)
    let old = entries.enumerated().map { leaf, entry in
      LoggedDecision(id: DecisionID(log: log, leaf: UInt64(leaf)), entry: entry, head: .empty)
    }
    // A packed one between them.
    bench.clock.move(hours: 1)
    let new = try await bench.store.decide(bench.organization) { _ in
      [Build.decision(Build.key(9), at: now.adding(microseconds: 5), position: 0)]
    }
    let listed = try await bench.read { try $0.decisions(DecisionFilter(), limit: 9) }
    #expect(listed == [old[0], new[0], old[1], old[2]])
    #expect(try await bench.read { try $0.decision(old[2].id) } == old[2])
    #expect(try await bench.read { try $0.decision(new[0].id) } == new[0])
  }

  /// A second writer of a leaf is refused, and a batch's row cannot be changed by the server.
  @Test func aLeafIsWrittenOnce() async throws {
    let bench = try await Backend.postgres.open()
    let logged = try await bench.store.decide(bench.organization) { reader in
      [Build.decision(Build.key(1), at: reader.now, position: 0)]
    }
    let database = try await TestDatabase.shared.value
    let connection = try PostgresConnection(database.server)
    let copy = """
      BEGIN; SELECT set_config('consentd.organizations', '{\(bench.organization)}', true);
      INSERT INTO proof_log_batch SELECT * FROM proof_log_batch WHERE log_id = '\(logged[0].id.log)';
      COMMIT
      """
    do {
      try connection.execute(script: copy)
      Issue.record("the leaf was written twice")
    } catch {
      #expect(error.sqlState == "23505")
    }
  }
}
