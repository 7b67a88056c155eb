internal import ConsentCore
internal import Postgres
internal import Synchronization

/// Changes of one organization share transactions: while one is in flight, arrivals gather for the
/// next, which starts the moment the former has ended. No timer.
///
/// An organization has one transaction in flight on a node and one job in the lanes' queue, so that
/// busy organizations take turns with the others.
final class WriteBatcher: Sendable {
  struct Call: Sendable {
    var change: PendingWrite
    var answer: @Sendable (Result<WriteReceipt, any Error>) -> Void
  }

  private struct State {
    var waiting: [Call] = []
    var isBusy = false
    var isClosed = false
    var whenIdle: [CheckedContinuation<Void, Never>] = []
  }

  /// How often a change is tried that could not even begin. A lock is waited for one second at a
  /// time, so this is also how long a silent node may hold it before writes fail.
  private static let tries = 6

  private let lanes: PostgresLanes
  private let options: PostgresConsentStore.Options
  private let group: WriteGroup
  private let state = Mutex(State())

  init(
    _ organization: OrganizationID, lanes: PostgresLanes, clock: any WallClock, keys: KeyRing,
    history: FeedHistory, options: PostgresConsentStore.Options
  ) {
    self.lanes = lanes
    self.options = options
    group = WriteGroup(
      organization: organization, keys: keys, clock: clock, history: history, options: options)
  }

  /// Changes that wait for a transaction.
  var waiting: Int { state.withLock { $0.waiting.count } }

  /// Returns when the change's outcome is known; it is never cancelled.
  func write(_ change: PendingWrite) async throws -> WriteReceipt {
    try await withCheckedThrowingContinuation { continuation in
      let call = Call(change: change) { continuation.resume(with: $0) }
      let admitted: Result<Bool, StoreError> = state.withLock { state in
        if state.isClosed { return .failure(.unavailable("the store is closed")) }
        guard state.waiting.count < options.writeQueueLimit else { return .failure(.overloaded) }
        state.waiting.append(call)
        defer { state.isBusy = true }
        return .success(!state.isBusy)
      }
      switch admitted {
      case .failure(let refusal): call.answer(.failure(refusal))
      case .success(let isFirst): if isFirst { runNext() }
      }
    }
  }

  /// Takes no more changes; returns when those taken have their outcomes.
  func close() async {
    await withCheckedContinuation { continuation in
      let isIdle = state.withLock { state in
        state.isClosed = true
        if state.isBusy { state.whenIdle.append(continuation) }
        return !state.isBusy
      }
      if isIdle { continuation.resume() }
    }
  }

  // MARK: Running groups

  private typealias Tried = (calls: [Call], attempt: WriteGroup.Attempt)

  /// Runs a group and then the next, as long as all goes well. The lane's thread answers, so that
  /// nobody waits for a task to be scheduled.
  private func runNext() {
    lanes.submitTelling { [self] connection in
      // Why there is no connection, the task is told as well.
      guard case .success(let connection) = connection else {
        return { Task { await self.drain() } }
      }
      let calls = take()
      let tried = attempt(calls, connection)
      guard tried.failure == nil else { return { Task { await self.drain((calls, tried)) } } }
      putBack(calls.dropFirst(tried.begun))
      return { [self] in
        for (call, outcome) in zip(calls, tried.outcomes) { answer([call], outcome.result) }
        if hasMore() { runNext() }
      }
    }
  }

  /// Runs groups until nothing waits.
  ///
  /// - Parameter first: a group that has been run.
  private func drain(_ first: Tried? = nil) async {
    var first = first
    /// In a row, of which no change was the cause.
    var failures = 0
    while first != nil || hasMore() {
      do {
        let group: Tried
        if let known = first {
          group = known
          first = nil
        } else {
          group = try await lanes.run { [self] connection in
            let calls = take()
            return (calls, attempt(calls, connection))
          }
        }
        let (calls, tried) = group
        if let failure = tried.failure, tried.begun == 0 {
          try await begunNone(calls, failure)
        } else {
          putBack(calls.dropFirst(tried.begun))
          await conclude(Array(calls.prefix(tried.begun)), tried)
        }
        failures = 0
      } catch {
        failures += 1
        let mayTryAgain = (error as? PostgresError)?.isRetryable == true && failures < Self.tries
        if mayTryAgain {
          await pause(after: error)
        } else {
          failures = 0
          answer(takeAll(), .failure(error))
        }
      }
    }
  }

  private func attempt(_ calls: [Call], _ connection: PostgresConnection) -> WriteGroup.Attempt {
    let attempt = group.run(calls.map(\.change), connection)
    if options.isBroken(.answersBeforeCommit), attempt.failure != nil {
      for (call, outcome) in zip(calls, attempt.outcomes) { call.answer(outcome.result) }
      return WriteGroup.Attempt(begun: attempt.begun)
    }
    return attempt
  }

  /// A group that could not begin: it waits at the front, and the error is everybody's who waits,
  /// unless looking for the replies may have failed for one of the keys.
  private func begunNone(_ calls: [Call], _ failure: any Error) async throws {
    guard let error = failure as? PostgresError, !error.isRetryable, !error.outcomeUnknown else {
      putBack(calls[...])
      throw failure
    }
    await oneByOne(calls)
  }

  private func conclude(_ calls: [Call], _ attempt: WriteGroup.Attempt) async {
    guard let failure = attempt.failure else {
      for (call, outcome) in zip(calls, attempt.outcomes) { answer([call], outcome.result) }
      return
    }
    if options.isBroken(.sharesFailures) { return answer(calls, .failure(failure)) }
    if calls.count == 1, let call = calls.first {
      _ = await alone(call, after: attempt, deadline: .now + options.resolutionTimeout)
    } else {
      await oneByOne(calls, after: attempt)
    }
  }

  // MARK: One by one

  /// Each change in a transaction of its own, in order: so each meets its own error, and a change
  /// in doubt looks for its own reply behind the organization's lock.
  private func oneByOne(_ calls: [Call], after attempt: WriteGroup.Attempt? = nil) async {
    let deadline = ContinuousClock.now + options.resolutionTimeout
    let isInDoubt = (attempt?.failure as? PostgresError)?.outcomeUnknown == true
    for (index, call) in calls.enumerated() {
      var call = call
      if isInDoubt, let attempt, attempt.outcomes.indices.contains(index) {
        call.change.mayStand = attempt.outcomes[index].isNew
        call.change.triedLog = attempt.logs[index]
      }
      if let unreachable = await alone(call, deadline: deadline) {
        return answer(calls.dropFirst(index + 1), .failure(unreachable))
      }
    }
  }

  /// Runs one change until its outcome is known, and answers it.
  ///
  /// - Parameter first: what its first transaction did, if it had one.
  /// - Returns: the error if not even a transaction could be begun: the next change would fare alike.
  private func alone(
    _ call: Call, after first: WriteGroup.Attempt? = nil, deadline: ContinuousClock.Instant
  ) async -> (any Error)? {
    var call = call
    var first = first
    var isInDoubt = call.change.mayStand
    var failures = 0
    while true {
      let attempt: WriteGroup.Attempt
      if let known = first { attempt = known } else { attempt = await self.attempt(call) }
      first = nil
      guard let failure = attempt.failure else {
        if let outcome = attempt.outcomes.first { answer([call], outcome.result) }
        return nil
      }
      failures += 1
      let error = failure as? PostgresError
      if error?.outcomeUnknown == true {
        isInDoubt = true
        if attempt.outcomes.first?.isNew == true {
          call.change.mayStand = true
          call.change.triedLog = attempt.logs[0]
        }
      }
      // Once a commit may stand, the database is asked again for longer: only the reply, read under
      // the lock, tells. An error after that look-up is the body's or final.
      let mayTryAgain = isInDoubt ? ContinuousClock.now < deadline : failures < Self.tries
      guard let error, error.outcomeUnknown || error.isRetryable, mayTryAgain else {
        answer([call], .failure(failure))
        return attempt.begun == 0 && error?.isConnectionLost == true ? failure : nil
      }
      await pause(after: error)
    }
  }

  private func attempt(_ call: Call) async -> WriteGroup.Attempt {
    var change = call.change
    if options.isBroken(.repeatsWithoutLooking) {
      change = PendingWrite(
        caller: change.caller, key: nil, about: change.patient, body: change.body)
    }
    do {
      return try await lanes.run { [group, change] in group.run([change], $0) }
    } catch {
      return WriteGroup.Attempt(failure: error)
    }
  }

  private func pause(after error: any Error) async {
    if (error as? PostgresError)?.isLockTimeout == true { await SilentHolders.end(lanes) }
    try? await Task.sleep(for: .milliseconds(20))
  }

  private func answer(_ calls: some Sequence<Call>, _ result: Result<WriteReceipt, any Error>) {
    for call in calls { call.answer(result.mapError { StoreFailure.public($0) }) }
  }

  // MARK: The queue

  /// Whether something waits; if not, the next arrival begins anew.
  private func hasMore() -> Bool {
    let idle: [CheckedContinuation<Void, Never>]? = state.withLock { state in
      guard state.waiting.isEmpty else { return nil }
      state.isBusy = false
      defer { state.whenIdle = [] }
      return state.whenIdle
    }
    for continuation in idle ?? [] { continuation.resume() }
    return idle == nil
  }

  /// INVARIANT: called when the transaction is about to begin, so that all who came are in it.
  private func take() -> [Call] { take(atMost: options.writeGroupLimit) }

  private func takeAll() -> [Call] { take(atMost: .max) }

  private func take(atMost limit: Int) -> [Call] {
    state.withLock { state in
      let taken = Array(state.waiting.prefix(max(1, limit)))
      state.waiting.removeFirst(taken.count)
      return taken
    }
  }

  private func putBack(_ calls: ArraySlice<Call>) {
    guard !calls.isEmpty else { return }
    state.withLock { $0.waiting.insert(contentsOf: calls, at: 0) }
  }
}

/// One batcher for each organization, made when first asked.
final class WriteBatchers: Sendable {
  private let lanes: PostgresLanes
  private let clock: any WallClock
  private let keys: KeyRing
  private let history: FeedHistory
  private let options: PostgresConsentStore.Options
  private let batchers = Mutex<[OrganizationID: WriteBatcher]>([:])

  init(
    lanes: PostgresLanes, clock: any WallClock, keys: KeyRing, history: FeedHistory,
    options: PostgresConsentStore.Options
  ) {
    self.lanes = lanes
    self.clock = clock
    self.keys = keys
    self.history = history
    self.options = options
  }

  subscript(organization: OrganizationID) -> WriteBatcher {
    batchers.withLock { batchers in
      if let known = batchers[organization] { return known }
      let new = WriteBatcher(
        organization, lanes: lanes, clock: clock, keys: keys, history: history, options: options)
      batchers[organization] = new
      return new
    }
  }

  /// Returns when every change has its outcome.
  func close() async {
    for batcher in batchers.withLock({ Array($0.values) }) { await batcher.close() }
  }
}
