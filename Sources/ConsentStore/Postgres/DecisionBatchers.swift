internal import ConsentCore
internal import Postgres
internal import Synchronization

/// One batcher for each organization, made when first asked.
final class DecisionBatchers: Sendable {
  let lanes: PostgresLanes
  private let clock: any WallClock
  private let keys: KeyRing
  private let queueLimit: Int
  private let batchers = Mutex<[OrganizationID: DecisionBatcher]>([:])

  init(lanes: PostgresLanes, clock: any WallClock, keys: KeyRing, queueLimit: Int) {
    self.lanes = lanes
    self.clock = clock
    self.keys = keys
    self.queueLimit = queueLimit
  }

  func decide(
    _ organization: OrganizationID,
    _ body: @Sendable @escaping (any FactReader) throws -> [DecisionEntry]
  ) async throws -> [LoggedDecision] {
    try await batcher(of: organization).decide(body)
  }

  func append(
    _ organization: OrganizationID, _ taken: TakenDecisions, if condition: AppendCondition
  ) async throws -> AppendOutcome {
    try await batcher(of: organization).append(taken, if: condition)
  }

  private func batcher(of organization: OrganizationID) -> DecisionBatcher {
    batchers.withLock { batchers in
      if let known = batchers[organization] { return known }
      let new = DecisionBatcher(
        organization, lanes: lanes, clock: clock, keys: keys, queueLimit: queueLimit)
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

/// Calls of one organization share transactions: while one is in flight, arrivals gather for the
/// next, which starts the moment the former has ended. No timer.
///
/// INVARIANT (I2): a call is taken into a batch before the batch's snapshot is.
final class DecisionBatcher: Sendable {
  typealias Body = @Sendable (any FactReader) throws -> [DecisionEntry]

  struct Call: Sendable {
    var body: Body
    var answer: @Sendable (Result<[LoggedDecision], any Error>) -> Void
  }

  /// Decisions taken elsewhere that wait for their turn at the log.
  struct Appending: Sendable {
    var taken: TakenDecisions
    var condition: AppendCondition
    var answer: @Sendable (Result<AppendOutcome, any Error>) -> Void
  }

  private struct State {
    var waiting: [Call] = []
    var appending: [Appending] = []
    var isBusy = false
  }

  /// The most calls that share a transaction, so that none waits long for the others.
  private static let batchLimit = 128

  private let organization: OrganizationID
  private let lanes: PostgresLanes
  private let queueLimit: Int
  private let state = Mutex(State())
  private let runner: DecisionRunner

  init(
    _ organization: OrganizationID, lanes: PostgresLanes, clock: any WallClock, keys: KeyRing,
    queueLimit: Int
  ) {
    self.organization = organization
    self.lanes = lanes
    self.queueLimit = queueLimit
    runner = DecisionRunner(organization, clock: clock, keys: keys)
  }

  func decide(_ body: @escaping Body) async throws -> [LoggedDecision] {
    try await withCheckedThrowingContinuation { continuation in
      let call = Call(body: body) { continuation.resume(with: $0) }
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

  func append(
    _ taken: TakenDecisions, if condition: AppendCondition
  ) async throws -> AppendOutcome {
    try await withCheckedThrowingContinuation { continuation in
      let job = Appending(taken: taken, condition: condition) { continuation.resume(with: $0) }
      let isFirst: Bool? = state.withLock { state in
        guard state.appending.count < queueLimit else { return nil }
        state.appending.append(job)
        if state.isBusy { return false }
        state.isBusy = true
        return true
      }
      switch isFirst {
      case nil: job.answer(.failure(StoreError.overloaded))
      case true?: next()
      case false?: break
      }
    }
  }

  /// - Parameter lane: the one that this is called on, as its job ends.
  private func next(on lane: PostgresLane? = nil) {
    lanes.submit(continuing: lane) { [self] lane, connection in
      let ended: @Sendable () -> Void = { [self] in self.ended(on: lane) }
      let job = state.withLock { $0.appending.isEmpty ? nil : $0.appending.removeFirst() }
      if let job {
        switch connection {
        case .success(let connection): runner.append(job, connection, lanes: lanes, ended)
        case .failure(let error):
          job.answer(.failure(StoreFailure.public(error)))
          ended()
        }
        return
      }
      let batch = state.withLock { state in
        let batch = Array(state.waiting.prefix(Self.batchLimit))
        state.waiting.removeFirst(batch.count)
        return batch
      }
      switch connection {
      case .success(let connection): runner.run(batch, connection, lanes: lanes, ended)
      case .failure(let error):
        for call in batch { call.answer(.failure(StoreFailure.public(error))) }
        ended()
      }
    }
  }

  func close() async { try? await lanes.run { [runner] in try runner.end($0) } }

  private func ended(on lane: PostgresLane) {
    let more = state.withLock { state in
      state.isBusy = !state.waiting.isEmpty || !state.appending.isEmpty
      return state.isBusy
    }
    if more { next(on: lane) }
  }
}
