import ConsentCore
import ConsentStore
import Postgres
import ProofLog
import Testing

@testable import ConsentStore

/// The log of a node that died is closed by a living one, and the one that was only paused begins a
/// new one.
@Suite(.fewAtOnce) struct ClosedLogTests {
  struct Nodes {
    var database: TestDatabase
    var organization: OrganizationID
    var first: PostgresConsentStore
    var second: PostgresConsentStore
    var keys: [VerifierKey]

    /// Two nodes, the second with a new key above the old one.
    static func open(_ broken: BrokenClosing? = nil) async throws -> Nodes {
      let database = try await TestDatabase.shared.value
      let lines = try ["first", "second"].map { try #require(LogSigner.newKey(name: $0)) }
      // The second's key came after the first's: one key file, the new line above the old.
      let signers = [
        try LogSigner(keyFile: lines[0]), try LogSigner(keyFile: lines[1] + "\n" + lines[0]),
      ]
      let clock = ManualClock()
      let first = try await database.store(clock: clock) { $0.logSigner = signers[0] }
      let second = try await database.store(clock: clock) {
        $0.logSigner = signers[1]
        $0.brokenClosing = broken
      }
      let settings = OrganizationSettings(id: random(), name: "Clinic", timeZone: "Etc/UTC")
      try await first.createOrganization(settings)
      return Nodes(
        database: database, organization: settings.id, first: first, second: second,
        keys: signers.map(\.verifierKey))
    }

    /// Both ways to log in turn: bodies run in the transaction, or decisions taken before it.
    func log(_ store: PostgresConsentStore, _ count: Int = 1) async throws -> [LoggedDecision] {
      try await store.decide(organization) { reader in
        (0..<count).map { Build.decision(Build.key($0), at: reader.now, position: 0) }
      }
    }

    func append(_ store: PostgresConsentStore) async throws -> [LoggedDecision] {
      let at = ManualClock().now()
      let outcome = try await store.append(
        organization,
        TakenDecisions([Build.decision(Build.key(1), at: at, position: 0)], at: .empty),
        if: AppendCondition(unlessFactsChangedAbove: nil, after: 0))
      guard case .logged(let logged, _) = outcome else { return [] }
      return logged
    }

    /// As a process that is killed: its sessions end, and it says nothing.
    func kill(_ store: PostgresConsentStore) throws {
      try database.run(
        """
        SELECT pg_terminate_backend(pid) FROM pg_stat_activity
        WHERE application_name LIKE '%\(store.keys.run.text)'
        """)
      let left = PostgresStatement(
        name: "left",
        sql: "SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE '%' || $1")
      let connection = try PostgresConnection(database.administrator())
      while try connection.execute(left, store.keys.run.text).single().get(0, as: Int64.self) > 0 {}
    }

    func exported() throws -> [UInt8] {
      var file: [UInt8] = []
      try LogExport.write(.all, of: organization, database: database.server) { file += $0 }
      return file
    }

    func close() async {
      await first.close()
      await second.close()
    }
  }

  @Test func theLogOfADeadNodeIsSignedToItsEnd() async throws {
    let nodes = try await Nodes.open()
    let logged = try await nodes.log(nodes.first, 3) + nodes.log(nodes.first, 2)
    let log = logged[0].id.log
    #expect(try await nodes.second.closeDeadLogs(of: nodes.organization) == LogClosings())
    try nodes.kill(nodes.first)
    let closings = try await nodes.second.closeDeadLogs(of: nodes.organization)
    #expect(closings.fenced == [log] && closings.closed == [log] && closings.refused == [])
    #expect(try await nodes.second.closeDeadLogs(of: nodes.organization) == LogClosings())

    let verified = try LogVerifierTests.verify(nodes.exported(), keys: nodes.keys)
    let closed = try #require(verified.first)
    #expect(verified.count == 1 && closed.size == 5 && closed.signedSize == 5)
    #expect(closed.closedBy == "second" && closed.ownSignedSize == 3)
    #expect(logged[4].receipt?.root == closed.root)
    #expect(
      try LogVerifierTests.fault(nodes.exported(), keys: [nodes.keys[0]])?.kind == .unknownKey)
    #expect(
      try LogVerifierTests.fault(nodes.exported(), keys: [nodes.keys[1]])?.kind == .unknownKey)
    // As a checkpoint, it says who says so.
    let summary = try await nodes.second.read(nodes.organization) { try $0.logs(.one(log)).first }
    let note = try #require(summary?.closing).note(organization: nodes.organization, log: log)
    #expect(summary?.hasEnded == true && summary?.epoch == 2)
    let checkpoint = try Checkpoint(
      note: note.formatted, origin: "consentd/\(nodes.organization)/\(log)", keys: [nodes.keys[1]])
    #expect(checkpoint.size == 5 && checkpoint.root == closed.root)
    #expect(checkpoint.extensions == ["closed by another node; its own node signed 3"])
    await nodes.close()
  }

  /// Nobody need look at its end any more to find decisions.
  @Test func aClosedLogIsLookedUpAsAWhole() async throws {
    let nodes = try await Nodes.open()
    _ = try await nodes.log(nodes.first, 4)
    try nodes.kill(nodes.first)
    func open() throws -> Int64 {
      let statement = PostgresStatement(
        name: "open_logs",
        sql: """
          SELECT count(*) FROM decision_lookup_progress
          WHERE organization_id = $1 AND NOT is_whole
          """)
      return try PostgresConnection(nodes.database.administrator())
        .execute(statement, nodes.organization).single().get(0)
    }
    _ = try await nodes.second.extendLookup(of: nodes.organization, atMost: 100)
    #expect(try open() == 1)
    _ = try await nodes.second.closeDeadLogs(of: nodes.organization)
    _ = try await nodes.second.extendLookup(of: nodes.organization, atMost: 100)
    #expect(try open() == 0)
    let found = try await nodes.second.read(nodes.organization) {
      try $0.decisions(DecisionFilter(image: Build.key(2)), limit: 9)
    }
    #expect(found.count == 1)
    await nodes.close()
  }

  /// - Returns: whether a node whose log was closed while it was paused logs elsewhere, and the
  ///   closed log still verifies.
  private func staysClosed(_ broken: BrokenClosing, appends: Bool) async throws -> Bool {
    let nodes = try await Nodes.open(broken)
    let before = try await nodes.append(nodes.first)
    let closings = try await nodes.second.closeDeadLogs(of: nodes.organization)
    #expect(closings.closed == [before[0].id.log])
    let after = try await appends ? nodes.append(nodes.first) : nodes.log(nodes.first)
    let verified = try? LogVerifierTests.verify(nodes.exported(), keys: nodes.keys)
    let listed = try await nodes.second.read(nodes.organization) {
      try $0.decisions(DecisionFilter(), limit: 9)
    }
    #expect(listed.count == 2 && !after.isEmpty)
    await nodes.close()
    return after[0].id.log != before[0].id.log && verified?.count == 2
      && verified?.contains { $0.size == 1 && $0.closedBy == "second" } == true
  }

  @Test(arguments: [false, true])
  func aNodeThatWasOnlyPausedBeginsANewLog(appends: Bool) async throws {
    #expect(try await staysClosed(.takesAllForDead, appends: appends))
  }

  @Test(arguments: [false, true])
  func aFenceThatLeavesTheLeafFreeIsFound(appends: Bool) async throws {
    #expect(try await !staysClosed(.leavesLeafFree, appends: appends))
  }

  /// Many nodes that take each other for dead while they log: each log stands as it was closed, and
  /// each decision is in one.
  @Test func nodesThatFenceEachOtherLoseAndDoubleNothing() async throws {
    let nodes = try await Nodes.open(.takesAllForDead)
    var all: Set<DecisionID> = []
    for _ in 0..<12 {
      async let closing = nodes.second.closeDeadLogs(of: nodes.organization)
      async let one = nodes.append(nodes.first)
      async let two = nodes.log(nodes.first, 2)
      for logged in try await one + two { #expect(all.insert(logged.id).inserted) }
      #expect(try await closing.refused.isEmpty)
    }
    await nodes.first.close()
    let verified = try LogVerifierTests.verify(nodes.exported(), keys: nodes.keys)
    #expect(verified.reduce(0) { $0 + $1.size } == UInt64(all.count) && all.count == 36)
    await nodes.second.close()
  }

  /// What the database's administrator changed after the node died is not signed by another.
  @Test func recordsThatWereChangedAreNotSigned() async throws {
    let nodes = try await Nodes.open()
    let log = try await (nodes.log(nodes.first, 2) + nodes.log(nodes.first))[0].id.log
    try nodes.kill(nodes.first)
    try nodes.database.run(
      """
      UPDATE proof_log_batch SET records = set_byte(records, octet_length(records) - 2,
        get_byte(records, octet_length(records) - 2) # 1) WHERE log_id = '\(log)' AND first_leaf = 2
      """)
    let closings = try await nodes.second.closeDeadLogs(of: nodes.organization)
    #expect(closings.fenced == [log] && closings.closed == [] && closings.refused == [log])
    await nodes.close()
  }

  @Test func recordsAfterASignedEndAreFound() async throws {
    let nodes = try await Nodes.open()
    let log = try await nodes.log(nodes.first, 2)[0].id.log
    _ = try await nodes.log(nodes.first)
    try nodes.kill(nodes.first)
    _ = try await nodes.second.closeDeadLogs(of: nodes.organization)
    // The administrator says that it was closed earlier than it was, with all the signatures there.
    try nodes.database.run(
      "UPDATE proof_log_closing SET size = 2, own_size = 2 WHERE log_id = '\(log)'")
    let fault = try LogVerifierTests.fault(nodes.exported(), keys: nodes.keys)
    #expect(fault?.kind == .signature)
    await nodes.close()
  }
}
