internal import ConsentCore
internal import Postgres
internal import Synchronization

/// Takes and logs the decisions of one batch in one transaction.
///
/// INVARIANT (I1): nothing is answered before its records are known to be committed. If that cannot
/// be found out behind the batch's own row, the answer is "unavailable".
final class DecisionRunner: Sendable {
  struct Log {
    var state: LogState
    /// The batch that the log ends with; `nil` while it is empty.
    var last: (firstLeaf: UInt64, id: PostgresUUID)?
    /// The last head seen: a feed that went back, even if it grew past again, ends the log.
    var seen = FeedHead.empty

    init(of run: NodeRun, _ kind: LogState.Kind = .run, seen: FeedHead = .empty) {
      state = LogState(of: run, kind)
      self.seen = seen
    }
  }

  private typealias Call = DecisionBatcher.Call
  private typealias Decided = (call: Call, entries: Result<[DecisionEntry], any Error>)
  typealias Outcome = Result<[LoggedDecision], any Error>

  let organization: OrganizationID
  let clock: any WallClock
  let keys: KeyRing
  let log: Mutex<Log>

  init(_ organization: OrganizationID, clock: any WallClock, keys: KeyRing) {
    self.organization = organization
    self.clock = clock
    self.keys = keys
    log = Mutex(Log(of: keys.run))
  }

  /// Answers every call of the batch, then calls `ended`.
  func run(
    _ batch: [DecisionBatcher.Call], _ connection: PostgresConnection, lanes: PostgresLanes,
    _ ended: @escaping @Sendable () -> Void
  ) {
    var unresolved: Unresolved?
    var again: [Call] = []
    do {
      try attempt(batch, connection) { unresolved = $0 }
    } catch {
      if let unresolved, (error as? PostgresError)?.outcomeUnknown == true {
        return resolve(unresolved, lanes: lanes, ended)
      }
      again = batch
      if (error as? PostgresError)?.isUniqueViolation() == true {
        // Somebody wrote at our leaf: the log is not ours any more, and nothing of this stands.
        endLog()
      } else if batch.count == 1, (error as? PostgresError)?.isRetryable != true {
        again = []
        answer(batch, .failure(error))
      }
    }
    // One call's failing statement ends the transaction of all: each is then tried by itself, and a
    // lost connection is replaced by the lane.
    guard !again.isEmpty else { return ended() }
    retry(again[...], lanes: lanes, ended)
  }

  /// A batch whose COMMIT was not answered.
  private struct Unresolved: Sendable {
    var batch: DecisionBatch
    var decided: [Decided]
  }

  private func attempt(
    _ calls: [Call], _ connection: PostgresConnection, committing: (Unresolved) -> Void
  ) throws {
    var decided: [Decided] = []
    var taken: DecisionBatch?
    try connection.transaction(isolation: .repeatableRead) { connection in
      let entry = try TransactionEntry.read(connection, organization)
      try followHead(entry.head, connection)
      StopPoint.checkEntered.reached()
      let view = PostgresView(connection, entry, keys: keys, clock: clock.now())
      decided = try calls.map { call in (call, try entries(call, view)) }
      let items = decided.flatMap { (try? $0.entries.get()) ?? [] }
        .map { DecisionBatch.Item(entry: $0, head: entry.head) }
      guard !items.isEmpty else { return }
      let batch = try DecisionBatch(
        items, onto: log.withLock { $0.state }, head: entry.head, organization: organization)
      let results = try connection.pipeline {
        try batch.insert(into: &$0, recorded: view.now, signer: keys.signer)
      }
      if let failure = results.firstFailure { throw failure }
      StopPoint.checkInserted.reached()
      taken = batch
      committing(Unresolved(batch: batch, decided: decided))
    }
    let logged = taken.map { advance(past: $0) } ?? []
    StopPoint.checkCommitted.reached()
    for (call, outcome) in share(logged, among: decided) {
      call.answer(outcome)
    }
  }

  /// A call's own error is its own; an error of the database is everybody's.
  private func entries(
    _ call: Call, _ view: PostgresView
  ) throws -> Result<[DecisionEntry], any Error> {
    do {
      return .success(try call.body(view))
    } catch let error as PostgresError {
      throw error
    } catch {
      return .failure(error)
    }
  }

  private func share(
    _ logged: [LoggedDecision], among decided: [Decided]
  ) -> [(call: Call, outcome: Outcome)] {
    var rest = logged[...]
    return decided.map { call, entries in
      let outcome = entries.map { entries in
        defer { rest = rest.dropFirst(entries.count) }
        return Array(rest.prefix(entries.count))
      }
      return (call, outcome)
    }
  }

  private func followHead(_ head: FeedHead, _ connection: PostgresConnection) throws {
    let seen = log.withLock { $0.seen }
    let isHeld = try head.follows(seen, of: organization, connection)
    log.withLock { log in
      if !isHeld { log = Log(of: keys.run) }
      log.seen = head
    }
  }

  /// Moves the log past a committed batch.
  /// - Returns: what may be answered.
  func advance(past batch: DecisionBatch) -> [LoggedDecision] {
    let (state, logged) = batch.committed(signer: keys.signer)
    keys.signed.put(state)
    log.withLock { log in
      guard log.state.id == batch.log else { return }
      log.state = state
      log.last = (batch.firstLeaf, batch.id)
    }
    return logged
  }

  /// The last thing done: nothing is appended any more.
  func end(_ connection: PostgresConnection) throws {
    let log = log.withLock { $0 }
    try log.state.end(organization, head: log.seen, at: clock.now(), connection)
  }

  func endLog() { log.withLock { $0 = Log(of: keys.run, seen: $0.seen) } }

  private func answer(_ calls: [Call], _ outcome: Outcome) {
    for call in calls { call.answer(outcome.mapError { StoreFailure.public($0) }) }
  }

  /// Each call by itself, once.
  private func retry(
    _ calls: ArraySlice<DecisionBatcher.Call>, lanes: PostgresLanes,
    _ ended: @escaping @Sendable () -> Void
  ) {
    guard let call = calls.first else { return ended() }
    let rest = calls.dropFirst()
    lanes.submit { [self] connection in
      var unresolved: Unresolved?
      do {
        try attempt([call], connection.get()) { unresolved = $0 }
      } catch {
        if let unresolved, (error as? PostgresError)?.outcomeUnknown == true {
          return resolve(unresolved, lanes: lanes) { [self] in retry(rest, lanes: lanes, ended) }
        }
        answer([call], .failure(error))
      }
      retry(rest, lanes: lanes, ended)
    }
  }

  private func resolve(
    _ unresolved: Unresolved, lanes: PostgresLanes, _ ended: @escaping @Sendable () -> Void
  ) {
    resolve(unresolved.batch, lanes: lanes) { [self] outcome in
      switch outcome {
      case .success(let logged):
        for (call, outcome) in share(logged, among: unresolved.decided) { call.answer(outcome) }
      case .failure(let error): answer(unresolved.decided.map(\.call), .failure(error))
      }
      ended()
    }
  }

  /// Answers once it is known whether the batch stands (`RecordBatch.claim`). Either way the log
  /// ends here.
  func resolve(
    _ batch: DecisionBatch, lanes: PostgresLanes,
    _ resolved: @escaping @Sendable (Outcome) -> Void
  ) {
    endLog()
    lanes.submit { [self] connection in
      do {
        guard try batch.claim(at: clock.now(), connection.get()) else {
          throw StoreError.unavailable("the decision was not recorded; ask again")
        }
        resolved(.success(advance(past: batch)))
      } catch let error as StoreError {
        resolved(.failure(error))
      } catch {
        resolved(.failure(StoreError.unavailable("whether the decision was recorded is unknown")))
      }
    }
  }
}
