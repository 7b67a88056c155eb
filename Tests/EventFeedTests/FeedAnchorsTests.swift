import ConsentCore
import ConsentStore
import Synchronization
import Testing

@testable import EventFeed

/// When heads go into the log, and what happens when they cannot.
@Suite struct FeedAnchorsTests {
  /// What was asked of the log, and of which feeds it takes nothing.
  final class Log: Sendable {
    private let state = Mutex((asked: [OrganizationID](), broken: Set<OrganizationID>()))

    var asked: [OrganizationID] { state.withLock { $0.asked } }

    func breaks(for organizations: Set<OrganizationID>) {
      state.withLock { $0.broken = organizations }
    }

    func anchor(_ organization: OrganizationID) throws -> Bool {
      try state.withLock { state in
        state.asked.append(organization)
        if state.broken.contains(organization) { throw StoreError.unavailable("test") }
        return true
      }
    }
  }

  private let first = OrganizationID(high: 1, low: 1)
  private let second = OrganizationID(high: 1, low: 2)

  private func anchors(
    _ log: Log, _ clock: ManualClock, of organizations: [OrganizationID] = [],
    _ configuration: AnchorConfiguration = .init(),
    report: @escaping @Sendable (AnchorReport) -> Void = { _ in }
  ) -> FeedAnchors {
    FeedAnchors(
      of: organizations, clock: clock, configuration: configuration,
      anchor: { try log.anchor($0) }, report: report)
  }

  @Test func aFeedIsAnchoredAtTheStartAndOnceForAllThatMovedTogether() async {
    let log = Log()
    let anchors = anchors(log, ManualClock(), of: [first, second])
    await anchors.sweep()
    #expect(log.asked == [first, second])
    await anchors.sweep()
    #expect(log.asked.count == 2)
    for _ in 0..<5 { anchors.moved(second) }
    await anchors.sweep()
    #expect(log.asked == [first, second, second])
  }

  @Test func oneThatFailsWaitsLongerAndLongerAndDoesNotHoldUpTheOthers() async {
    let log = Log()
    let clock = ManualClock()
    let failures = Mutex(0)
    let anchors = anchors(
      log, clock, of: [first],
      AnchorConfiguration(firstRetryMicroseconds: 1_000, longestRetryMicroseconds: 4_000)
    ) { report in
      if case .failed = report { failures.withLock { $0 += 1 } }
    }
    log.breaks(for: [first])
    await anchors.sweep()
    for wait in [1_000, 2_000, 4_000, 4_000] as [Int64] {
      let before = log.asked.count { $0 == first }
      anchors.moved(first)
      anchors.moved(second)
      clock.advance(microseconds: wait - 1)
      await anchors.sweep()
      #expect(log.asked.count { $0 == first } == before && log.asked.last == second)
      clock.advance(microseconds: 1)
      await anchors.sweep()
      #expect(log.asked.count { $0 == first } == before + 1)
    }
    #expect(failures.withLock { $0 } == 5)
    log.breaks(for: [])
    clock.advance(microseconds: 4_000)
    await anchors.sweep()
    let done = log.asked.count
    clock.advance(microseconds: 60_000_000)
    await anchors.sweep()
    #expect(log.asked.count == done)
  }

  @Test func itIsAnchoredAtMostOnceASecondAndTheLoopEndsWhenCancelled() async {
    let log = Log()
    let clock = ManualClock()
    let anchors = anchors(log, clock, of: [first])
    let running = Task { await anchors.run() }
    await clock.sleepers(1)
    anchors.moved(first)
    anchors.moved(first)
    #expect(log.asked == [first] && clock.nextWake == 1_000_000)
    clock.advance(microseconds: 1_000_000)
    await clock.sleepers(1)
    #expect(log.asked == [first, first])
    running.cancel()
    await running.value
  }
}
