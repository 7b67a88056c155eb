internal import ConsentCore
internal import Postgres
internal import Synchronization

/// What waits to be put into an activity log.
struct ActivityCall: Sendable {
  enum Work: Sendable {
    case accesses([Access])
    case anchor
  }

  var work: Work
  /// Gets what was logged for this call, once it is known to be committed.
  var answer: @Sendable (Result<[LoggedActivity], any Error>) -> Void
}

/// Calls of one organization share transactions: while one is in flight, arrivals gather for the
/// next, which starts the moment the former has ended. No timer.
///
/// On lanes of its own: reads that wait to be logged wait for no check, and hold up none.
final class ActivityBatcher: Sendable {
  private struct State {
    var waiting: [ActivityCall] = []
    var isBusy = false
  }

  /// The most calls that share a transaction, so that none waits long for the others.
  private static let batchLimit = 128

  private let lanes: PostgresLanes
  private let queueLimit: Int
  private let state = Mutex(State())
  private let runner: ActivityRunner

  init(
    _ organization: OrganizationID, lanes: PostgresLanes, clock: any WallClock, keys: KeyRing,
    options: PostgresConsentStore.Options
  ) {
    self.lanes = lanes
    queueLimit = options.decisionQueueLimit
    runner = ActivityRunner(organization, clock: clock, keys: keys, options: options)
  }

  func log(_ work: ActivityCall.Work) async throws -> [LoggedActivity] {
    try await withCheckedThrowingContinuation { continuation in
      let call = ActivityCall(
        work: work, answer: runner.answeringOnce { continuation.resume(with: $0) })
      let isFirst: Bool? = state.withLock { state in
        guard state.waiting.count < queueLimit else { return nil }
        state.waiting.append(call)
        if state.isBusy { return false }
        state.isBusy = true
        return true
      }
      switch isFirst {
      case nil: call.answer(.failure(StoreError.overloaded))
      case true?: next()
      case false?: break
      }
    }
  }

  /// - Parameter lane: the one that this is called on, as its job ends.
  private func next(on lane: PostgresLane? = nil) {
    lanes.submit(continuing: lane) { [self] lane, connection in
      let ended: @Sendable () -> Void = { [self] in self.ended(on: lane) }
      let calls = state.withLock { state in
        let calls = Array(state.waiting.prefix(Self.batchLimit))
        state.waiting.removeFirst(calls.count)
        return calls
      }
      switch connection {
      case .success(let connection): runner.run(calls, connection, lanes: lanes, ended)
      case .failure(let error):
        for call in calls { call.answer(.failure(StoreFailure.public(error))) }
        ended()
      }
    }
  }

  private func ended(on lane: PostgresLane) {
    let more = state.withLock { state in
      state.isBusy = !state.waiting.isEmpty
      return state.isBusy
    }
    if more { next(on: lane) }
  }

  func close() async { try? await lanes.run { [runner] in try runner.end($0) } }
}

/// One batcher for each organization, made when first asked.
final class ActivityBatchers: Sendable {
  private let lanes: PostgresLanes
  private let clock: any WallClock
  private let keys: KeyRing
  private let options: PostgresConsentStore.Options
  private let batchers = Mutex<[OrganizationID: ActivityBatcher]>([:])

  init(
    lanes: PostgresLanes, clock: any WallClock, keys: KeyRing,
    options: PostgresConsentStore.Options
  ) {
    self.lanes = lanes
    self.clock = clock
    self.keys = keys
    self.options = options
  }

  subscript(organization: OrganizationID) -> ActivityBatcher {
    batchers.withLock { batchers in
      if let known = batchers[organization] { return known }
      let new = ActivityBatcher(
        organization, lanes: lanes, clock: clock, keys: keys, options: options)
      batchers[organization] = new
      return new
    }
  }

  /// Every log that was written is ended. One that cannot be is only not marked as ended.
  func close() async {
    for batcher in batchers.withLock({ Array($0.values) }) { await batcher.close() }
    await lanes.close()
  }
}
