import ConsentCore
import Testing

@testable import ConsentStore

/// An append looks at a stretch of the feed; what it tells is what the whole feed holds.
@Suite(.fewAtOnce) struct NearFeedTests {
  /// Rows that follow, on both sides of the end of the stretch.
  @Test(arguments: [0, 1, 998, 999, 1_000, 1_001, 1_500])
  func theTrueHeadIsToldHoweverFarItIs(following count: Int) async throws {
    let bench = try await Backend.postgres.open()
    try await bench.append(Build.patient(random()))
    let head = try await bench.read { $0.head }
    let store = bench.store
    func append(
      at head: FeedHead, unlessAbove: UInt64?, after: UInt64
    ) async throws -> AppendOutcome {
      try await store.append(
        bench.organization,
        TakenDecisions(
          [Build.decision(Build.key(1), at: bench.clock.now(), position: head.position)], at: head),
        if: AppendCondition(unlessFactsChangedAbove: unlessAbove, after: after))
    }
    // The log has begun.
    guard case .logged = try await append(at: head, unlessAbove: nil, after: 1) else {
      Issue.record("the first batch was not logged")
      return
    }
    if count > 0 {
      let patients = (0..<count).map { _ in random() as PatientID }
      _ = try await store.write(
        bench.organization, by: "tester", key: nil, about: patients[0]
      ) { writer in
        for patient in patients { try writer.append(Build.patient(patient)) }
        return []
      }
    }
    let newest = try await bench.read { $0.head }
    #expect(newest.position == head.position + UInt64(count))
    switch try await append(at: head, unlessAbove: head.position, after: head.position) {
    case .behind(let following):
      #expect(count > 0 && following.head == newest)
      #expect(following.rows.count == min(count, FeedFollowing.limit))
      #expect(following.rows.first?.position == head.position + 1)
    case .logged(_, let following?):
      #expect(count == 0 && following.head == newest && following.rows.isEmpty)
    default: Issue.record("neither logged nor behind")
    }
    // Decided anew at the head: logged, whatever the node's own feed is at.
    guard
      case .logged(_, let following?) = try await append(
        at: newest, unlessAbove: nil, after: head.position)
    else {
      Issue.record("not logged at the newest head")
      return
    }
    #expect(following.head == newest && following.rows.count == min(count, FeedFollowing.limit))
  }

  @Test func theStretchHoldsWhatIsTested() {
    func range(_ position: Int64, _ after: Int64, seen: Int64) -> ClosedRange<Int64>? {
      NearFeed(
        AppendTest(
          unlessAbove: nil, after: after, lastFirstLeaf: nil, lastID: nil, seenPosition: seen,
          seenChain: []), position: position)?.range
    }
    #expect(range(7, 7, seen: 7) == 7...1_007)
    #expect(range(7, 9, seen: 8) == 7...1_009)
    #expect(range(9, 7, seen: 3) == 3...1_007)
    #expect(range(7, 7, seen: 0) == 7...1_007)
    #expect(range(0, 0, seen: 0) == nil)
    #expect(range(1_007, 7, seen: 7) == nil)
    #expect(range(7, 7, seen: 1_007) == nil)
    #expect(range(9_000, 9_000, seen: 1) == nil)
    #expect(range(7, .max, seen: 7) == nil)
  }
}
