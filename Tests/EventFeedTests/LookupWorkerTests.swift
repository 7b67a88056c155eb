import ConsentCore
import ConsentStore
import Synchronization
import Testing

@testable import EventFeed

/// When the work behind the look-up of decisions is done, and what happens when it fails.
@Suite struct LookupWorkerTests {
  /// So much is behind, and some of it cannot be done.
  final class Backlog: DecisionLookup {
    struct State {
      var behind: [OrganizationID: Int] = [:]
      var broken: Set<OrganizationID> = []
      var steps: [OrganizationID] = []
      var looks = 0
      var isUnreachable = false
    }

    let state: Mutex<State>

    init(_ behind: [OrganizationID: Int]) { state = Mutex(State(behind: behind)) }

    var steps: [OrganizationID] { state.withLock { $0.steps } }

    func lookupBacklog(of organizations: [OrganizationID]) async throws -> [LookupBacklog] {
      try state.withLock { state in
        state.looks += 1
        if state.isUnreachable { throw StoreError.unavailable("test") }
        return organizations.map { organization in
          let behind = state.behind[organization] ?? 0
          return LookupBacklog(
            organization: organization, decisions: UInt64(behind),
            oldest: behind > 0 ? Instant(microseconds: 0) : nil, isDue: behind > 0)
        }
      }
    }

    func extendLookup(of organization: OrganizationID, atMost most: Int) async throws -> Int {
      try state.withLock { state in
        state.steps.append(organization)
        if state.broken.contains(organization) { throw StoreError.unreadable("test") }
        let done = min(most, state.behind[organization] ?? 0)
        state.behind[organization]? -= done
        return done
      }
    }
  }

  private let first = OrganizationID(high: 1, low: 1)
  private let second = OrganizationID(high: 1, low: 2)

  private func worker(
    _ backlog: Backlog, _ clock: ManualClock, _ configuration: LookupConfiguration = .init(),
    report: @escaping @Sendable (LookupReport) -> Void = { _ in }
  ) -> LookupWorker {
    let organizations = [first, second]
    return LookupWorker(
      lookup: backlog, organizations: { organizations }, clock: clock,
      configuration: configuration, report: report)
  }

  @Test func organizationsTakeTurnsAndNothingIsLeft() async throws {
    let clock = ManualClock()
    let backlog = Backlog([first: 25, second: 8])
    let worker = worker(backlog, clock, LookupConfiguration(decisionsPerStep: 10))
    #expect(try await worker.sweep())
    #expect(try await worker.sweep())
    #expect(try await !worker.sweep())
    #expect(try await !worker.sweep())
    #expect(backlog.steps == [first, second, first, first])
  }

  @Test func oneThatFailsWaitsLongerAndLongerAndDoesNotHoldUpTheOthers() async throws {
    let clock = ManualClock()
    let backlog = Backlog([first: 5, second: 30])
    backlog.state.withLock { $0.broken = [first] }
    let failures = Mutex(0)
    let worker = worker(
      backlog, clock,
      LookupConfiguration(
        decisionsPerStep: 10, firstRetryMicroseconds: 1_000, longestRetryMicroseconds: 4_000)
    ) { report in
      if case .failed = report { failures.withLock { $0 += 1 } }
    }
    try await worker.sweep()
    try await worker.sweep()
    #expect(backlog.steps == [first, second, second])
    for wait in [1_000, 2_000, 4_000, 4_000] as [Int64] {
      clock.advance(microseconds: wait - 1)
      let before = backlog.steps.count { $0 == first }
      try await worker.sweep()
      #expect(backlog.steps.count { $0 == first } == before)
      clock.advance(microseconds: 1)
      try await worker.sweep()
      #expect(backlog.steps.count { $0 == first } == before + 1)
    }
    #expect(failures.withLock { $0 } == 5)
    backlog.state.withLock { $0.broken = [] }
    clock.advance(microseconds: 4_000)
    try await worker.sweep()
    #expect(backlog.state.withLock { $0.behind } == [first: 0, second: 0])
  }

  @Test func itSleepsWhenNothingIsLeftAndEndsWhenCancelled() async throws {
    let clock = ManualClock()
    let backlog = Backlog([first: 25])
    let worker = worker(backlog, clock, LookupConfiguration(decisionsPerStep: 10))
    let running = Task { await worker.run() }
    await clock.sleepers(1)
    #expect(backlog.steps.count == 3 && clock.nextWake == 500_000)
    backlog.state.withLock { $0.isUnreachable = true }
    clock.advance(microseconds: 500_000)
    await clock.sleepers(1)
    #expect(clock.nextWake == 500_000)
    clock.advance(microseconds: 500_000)
    await clock.sleepers(1)
    #expect(clock.nextWake == 1_000_000)
    running.cancel()
    await running.value
  }
}
