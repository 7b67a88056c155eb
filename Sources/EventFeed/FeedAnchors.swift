public import ConsentCore
internal import Synchronization

/// What was done to put a head into the log.
public enum AnchorReport: Sendable {
  case written(OrganizationID)
  /// It is tried again, later and later.
  case failed(OrganizationID, any Error)
}

/// How often heads go into the log; times in microseconds of uptime.
public struct AnchorConfiguration: Sendable {
  /// Between two anchors of one feed.
  public var pauseMicroseconds: Int64
  public var firstRetryMicroseconds: Int64
  public var longestRetryMicroseconds: Int64

  public init(
    pauseMicroseconds: Int64 = 1_000_000, firstRetryMicroseconds: Int64 = 1_000_000,
    longestRetryMicroseconds: Int64 = 60_000_000
  ) {
    precondition(pauseMicroseconds > 0 && firstRetryMicroseconds > 0)
    precondition(longestRetryMicroseconds >= firstRetryMicroseconds)
    self.pauseMicroseconds = pauseMicroseconds
    self.firstRetryMicroseconds = firstRetryMicroseconds
    self.longestRetryMicroseconds = longestRetryMicroseconds
  }
}

/// Puts the heads of feeds that move into the log, about once a second each, so that the signed log
/// also says what the feed was.
///
/// No answer waits for it. Any number of nodes may run one: the store writes nothing for a head that
/// the log has already.
public final class FeedAnchors: Sendable {
  private struct State {
    var waiting: Set<OrganizationID>
    var failing: [OrganizationID: (failures: Int, until: Int64)] = [:]
  }

  private let anchor: @Sendable (OrganizationID) async throws -> Bool
  private let clock: any FeedClock
  private let configuration: AnchorConfiguration
  private let report: @Sendable (AnchorReport) -> Void
  private let signal = WakeSignal()
  private let state: Mutex<State>

  /// - Parameters:
  ///   - organizations: whose heads are put into the log at once: they may have moved while nobody
  ///     ran this.
  ///   - anchor: appends the newest head to the log if it has moved, and says whether it did.
  public init(
    of organizations: [OrganizationID], clock: any FeedClock,
    configuration: AnchorConfiguration = .init(),
    anchor: @Sendable @escaping (OrganizationID) async throws -> Bool,
    report: @escaping @Sendable (AnchorReport) -> Void = { _ in }
  ) {
    state = Mutex(State(waiting: Set(organizations)))
    self.clock = clock
    self.configuration = configuration
    self.anchor = anchor
    self.report = report
  }

  /// A feed moved, on whatever node.
  public func moved(_ organization: OrganizationID) {
    if state.withLock({ $0.waiting.insert(organization).inserted }) { signal.raise() }
  }

  /// Works until the task is cancelled.
  public func run() async {
    while !Task.isCancelled {
      await sweep()
      try? await clock.sleep(microseconds: configuration.pauseMicroseconds)
      guard state.withLock({ $0.waiting.isEmpty }) else { continue }
      await signal.wait(atMost: .microsecondsPerDay, clock: clock)
    }
  }

  /// Puts each head into the log whose turn it is, once.
  func sweep() async {
    for organization in due() {
      do {
        try Task.checkCancellation()
        if try await anchor(organization) { report(.written(organization)) }
        state.withLock { $0.failing[organization] = nil }
      } catch {
        // What is left undone at the end is done at the next start.
        if Task.isCancelled { return }
        failed(organization)
        report(.failed(organization, error))
      }
    }
  }

  /// Takes those whose turn it is: what moves from here on is looked at again.
  private func due() -> [OrganizationID] {
    let now = clock.uptime()
    return state.withLock { state in
      let due = state.waiting.filter { id in state.failing[id].map { now >= $0.until } ?? true }
      state.waiting.subtract(due)
      return due.sorted()
    }
  }

  private func failed(_ organization: OrganizationID) {
    let now = clock.uptime()
    state.withLock { state in
      let failures = (state.failing[organization]?.failures ?? 0) + 1
      let delay = Backoff.delay(
        failures: failures, first: configuration.firstRetryMicroseconds,
        most: configuration.longestRetryMicroseconds)
      state.failing[organization] = (failures, now + delay)
      state.waiting.insert(organization)
    }
  }
}
