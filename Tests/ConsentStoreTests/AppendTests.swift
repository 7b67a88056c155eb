import ConsentCore
import ConsentStore
import Testing

/// Decisions taken outside of a transaction: logged only if the feed is still as they need it.
@Suite(.fewAtOnce) struct AppendTests {
  private func taken(_ bench: Bench, _ keys: Range<Int>, at head: FeedHead) -> TakenDecisions {
    TakenDecisions(
      keys.map { Build.decision(Build.key($0), at: bench.clock.now(), position: head.position) },
      at: head)
  }

  private func append(
    _ bench: Bench, _ keys: Range<Int>, at head: FeedHead, unlessAbove: UInt64?, after: UInt64
  ) async throws -> AppendOutcome {
    try await bench.store.append(
      bench.organization, taken(bench, keys, at: head),
      if: AppendCondition(unlessFactsChangedAbove: unlessAbove, after: after))
  }

  private func logged(_ outcome: AppendOutcome) throws -> (
    decisions: [LoggedDecision], following: FeedFollowing
  ) {
    guard case .logged(let decisions, let following?) = outcome else {
      throw StoreError.unavailable("not logged: \(outcome)")
    }
    return (decisions, following)
  }

  private func behind(_ outcome: AppendOutcome) throws -> FeedFollowing {
    guard case .behind(let following) = outcome else {
      throw StoreError.unavailable("not behind: \(outcome)")
    }
    return following
  }

  @Test(arguments: Backend.allCases)
  func decisionsAtTheHeadAreLoggedAtTheirPosition(backend: Backend) async throws {
    let bench = try await backend.open()
    let empty = try logged(
      try await append(bench, 0..<1, at: .empty, unlessAbove: 0, after: 0))
    #expect(empty.decisions.map(\.head) == [.empty])
    #expect(empty.following.rows.isEmpty)
    try await bench.append(Build.patient(random()))
    let head = try await bench.read { $0.head }
    let first = try logged(
      try await append(bench, 1..<4, at: head, unlessAbove: head.position, after: head.position))
    #expect(first.decisions.map(\.head) == [head, head, head])
    #expect(first.following.head == head)
    let second = try logged(
      try await append(bench, 4..<5, at: head, unlessAbove: head.position, after: 0))
    #expect(second.following.rows.map(\.position) == [1])
    // One log, dense from its first leaf.
    let all = empty.decisions + first.decisions + second.decisions
    #expect(Set(all.map(\.id.log)).count == 1)
    #expect(all.map(\.id.leaf) == [0, 1, 2, 3, 4])
    #expect(try await bench.read { reader in try all.map { try reader.decision($0.id) } } == all)
  }

  @Test(arguments: Backend.allCases)
  func aFactChangedAboveRefusesAndAnythingElseDoesNot(backend: Backend) async throws {
    let bench = try await backend.open()
    try await bench.append(Build.patient(random()))
    let head = try await bench.read { $0.head }
    try await bench.append(Change(events: [Build.event(.documentStored)]))
    let first = try logged(
      try await append(bench, 0..<1, at: head, unlessAbove: head.position, after: head.position))
    #expect(first.decisions.map(\.head) == [head])
    #expect(first.following.rows.map(\.event.kind) == [.documentStored])
    let mark = Part2Mark(programUnit: Identifier(system: "u", value: "v"))
    try await bench.append(Build.register(Build.image(Build.key(1), of: random(), part2: mark)))
    let now = try await bench.read { $0.head }
    let refused = try behind(
      try await append(bench, 1..<2, at: head, unlessAbove: head.position, after: head.position))
    #expect(refused.head == now)
    #expect(refused.rows.map(\.position) == [2, 3])
    #expect(refused.rows == (try await bench.read { try $0.feed(after: 1, limit: 9) }))
    #expect(refused.holdsPart2)
    // Without the condition it is logged, and nothing of the refused one is.
    let forced = try logged(
      try await append(bench, 2..<3, at: head, unlessAbove: nil, after: now.position))
    #expect(forced.decisions[0].id.leaf == first.decisions[0].id.leaf + 1)
    #expect(forced.following.rows.isEmpty)
    #expect(try await bench.read { try $0.decisions(DecisionFilter(), limit: 9) }.count == 2)
  }

  @Test(arguments: Backend.allCases)
  func anotherHistoryIsRefused(backend: Backend) async throws {
    let bench = try await backend.open()
    for _ in 0..<2 { try await bench.append(Build.patient(random())) }
    let head = try await bench.read { $0.head }
    var other = head
    other.chain[7] ^= 1
    var above = head
    above.position += 1
    for wrong in [other, above] {
      let outcome = try await append(bench, 0..<1, at: wrong, unlessAbove: nil, after: 0)
      guard case .historyReplaced = outcome else {
        Issue.record("\(outcome)")
        continue
      }
    }
    #expect(try await bench.read { try $0.decisions(DecisionFilter(), limit: 9) }.isEmpty)
    _ = try logged(try await append(bench, 0..<1, at: head, unlessAbove: 2, after: 2))
  }

  @Test(arguments: Backend.allCases)
  func noMoreThanAThousandRowsComeBack(backend: Backend) async throws {
    let bench = try await backend.open()
    for _ in 0..<3 {
      try await bench.append(
        Change(events: (0..<400).map { _ in Build.event(.patientCorrected, patient: random()) }))
    }
    let following = try behind(
      try await append(bench, 0..<1, at: .empty, unlessAbove: 0, after: 100))
    #expect(following.rows.map(\.position) == Array(101...1_100))
    #expect(following.head.position == 1_200)
  }

  @Test(arguments: Backend.allCases)
  func anUnknownOrganizationIsNeverAnEmptyOne(backend: Backend) async throws {
    let bench = try await backend.open()
    await #expect(throws: StoreError.unknownOrganization) {
      _ = try await bench.store.append(
        random(), TakenDecisions([], at: .empty),
        if: AppendCondition(unlessFactsChangedAbove: nil, after: 0))
    }
  }

  /// Both ways of deciding share a node's log.
  @Test(arguments: Backend.allCases)
  func bothPathsShareTheLog(backend: Backend) async throws {
    let bench = try await backend.open()
    var leaves: [UInt64] = []
    for round in 0..<4 {
      if round % 2 == 0 {
        let answered = try await bench.store.decide(bench.organization) { reader in
          [Build.decision(Build.key(round), at: reader.now, position: 0)]
        }
        leaves += answered.map(\.id.leaf)
      } else {
        let answered = try logged(
          try await append(bench, round..<round + 1, at: .empty, unlessAbove: 0, after: 0))
        leaves += answered.decisions.map(\.id.leaf)
      }
    }
    #expect(leaves == [0, 1, 2, 3])
  }
}
