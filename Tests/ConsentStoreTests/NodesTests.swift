import ConsentCore
import ConsentStore
import Postgres
import Testing

/// Several nodes on one database: only the organization's lock is between their writers.
@Suite(.fewAtOnce) struct NodesTests {
  private func nodes(_ count: Int) async throws -> [Bench] {
    let database = try await TestDatabase.shared.value
    let first = try await Backend.postgres.open()
    var nodes = [first]
    for _ in 1..<count {
      var node = first
      node.store = try await database.store(clock: first.clock, lanes: 2)
      nodes.append(node)
    }
    return nodes
  }

  @Test func writersOnSeveralNodesShareOneDenseFeed() async throws {
    let nodes = try await nodes(3)
    let positions = try await withThrowingTaskGroup(of: [UInt64].self) { group in
      for number in 0..<60 {
        group.addTask {
          try await nodes[number % 3].append(Change(events: [Build.event(.documentStored)]))
        }
      }
      return try await group.reduce(into: []) { $0 += $1 }
    }
    #expect(positions.sorted() == Array(1...60))
    try expectChained(
      try await nodes[0].read { try $0.feed(after: 0, limit: 100) },
      organization: nodes[0].organization)
  }

  @Test func retriesRacingOnSeveralNodesActOnce() async throws {
    let nodes = try await nodes(3)
    for round in 0..<5 {
      let key = IdempotencyKey(
        caller: "ehr", key: "race \(round)", contentSHA256: [UInt8](repeating: 3, count: 32))
      let replies = try await withThrowingTaskGroup(of: WriteReceipt.self) { group in
        for node in nodes + nodes {
          group.addTask {
            try await node.write(key: key) { writer in
              try writer.append(Change(events: [Build.event(.documentStored)]))
                .flatMap { bytes(of: $0) }
            }
          }
        }
        return try await group.reduce(into: [WriteReceipt]()) { $0.append($1) }
      }
      #expect(replies.count { !$0.replayed } == 1)
      #expect(replies.allSatisfy { $0.reply.chunks() == [UInt64(round + 1)] })
    }
  }

  @Test func aDecisionOnAnyNodeSeesEveryChangeAcknowledgedBefore() async throws {
    let nodes = try await nodes(2)
    for step in 0..<30 {
      let (writer, decider) = (nodes[step % 2], nodes[(step + 1) % 2])
      let written = try await writer.append(Change(events: [Build.event(.documentStored)]))
      let logged = try await decider.store.decide(decider.organization) { reader in
        [Build.decision(Build.key(step), at: reader.now, position: reader.head.position)]
      }
      #expect(logged[0].head.position >= written[0])
    }
  }

  /// The session's own time limit is off, as it is in effect in the middle of a pipeline.
  @Test func aLockWhoseHolderHasFallenSilentIsTakenFromIt() async throws {
    let database = try await TestDatabase.shared.value
    let node = try await nodes(1)[0]
    var configuration = database.server
    configuration.idleInTransactionTimeoutMilliseconds = 0
    let holder = try PostgresConnection(configuration)
    let organization = node.organization
    try holder.begin()
    try holder.execute(
      script: """
        SELECT pg_catalog.set_config('consentd.organizations', '{\(organization)}', true);
        SELECT 1 FROM organization WHERE organization_id = '\(organization)' FOR NO KEY UPDATE
        """)
    #expect(try await node.append(Change(events: [Build.event(.documentStored)])) == [1])
    #expect(throws: PostgresError.self) { try holder.execute(script: "SELECT 1") }
  }
}
