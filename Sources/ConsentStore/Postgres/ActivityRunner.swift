internal import ConsentCore
internal import Postgres
internal import ProofLog
internal import Synchronization

/// Writes one organization's activity log: each batch in one transaction.
///
/// INVARIANT: nothing is answered before its records are known to be committed, and no call's
/// records are logged twice. Where the reply of a commit was lost, its outcome is found out behind
/// the batch's own row; where that cannot be, the answer is "unavailable" and nothing is repeated.
final class ActivityRunner: Sendable {
  private struct Log {
    var own: DecisionRunner.Log
    /// How far this log has told of the feed.
    var anchored: UInt64 = 0

    init(of run: NodeRun) { own = DecisionRunner.Log(of: run, .activity) }
  }

  typealias Outcome = Result<[LoggedActivity], any Error>

  /// A batch on its way, and which of its records are whose.
  private struct Filled: Sendable {
    var batch: ActivityBatch
    var shares: [Range<Int>]
    var isAnchor: Bool
  }

  /// The log does not stand as this node left it.
  private struct LogLost: Error {}

  private let organization: OrganizationID
  private let clock: any WallClock
  private let keys: KeyRing
  private let options: PostgresConsentStore.Options
  private let log: Mutex<Log>

  init(
    _ organization: OrganizationID, clock: any WallClock, keys: KeyRing,
    options: PostgresConsentStore.Options
  ) {
    self.organization = organization
    self.clock = clock
    self.keys = keys
    self.options = options
    log = Mutex(Log(of: keys.run))
  }

  /// Answers every call, then calls `ended`.
  func run(
    _ calls: [ActivityCall], _ connection: PostgresConnection, lanes: PostgresLanes,
    isSecondTry: Bool = false, _ ended: @escaping @Sendable () -> Void
  ) {
    var unresolved: Filled?
    do {
      let logged = try attempt(calls, connection) { unresolved = $0 }
      StopPoint.activityCommitted.reached()
      answer(calls, logged)
      ended()
    } catch {
      let failure = error as? PostgresError
      if let unresolved, failure?.outcomeUnknown == true, !options.isBroken(.repeatsInDoubt) {
        return resolve(unresolved, calls, lanes: lanes, ended)
      }
      let mayRepeat = failure?.isRetryable == true || options.isBroken(.repeatsInDoubt)
      if !isSecondTry, mayRepeat || calls.count > 1 {
        // Nothing was logged. One call's value that cannot be stored is that call's alone.
        return retry(mayRepeat ? [calls] : calls.map { [$0] }, lanes: lanes, ended)
      }
      answer(calls, .failure(error))
      ended()
    }
  }

  /// One after the other, each once, on a connection that the lane has replaced if it was lost.
  private func retry(
    _ groups: [[ActivityCall]], lanes: PostgresLanes, _ ended: @escaping @Sendable () -> Void
  ) {
    guard let calls = groups.first else { return ended() }
    let rest = Array(groups.dropFirst())
    lanes.submit { [self] connection in
      let next: @Sendable () -> Void = { [self] in retry(rest, lanes: lanes, ended) }
      switch connection {
      case .success(let connection):
        run(calls, connection, lanes: lanes, isSecondTry: true, next)
      case .failure(let error):
        answer(calls, .failure(error))
        next()
      }
    }
  }

  /// Twice at most: where the log does not stand as this node left it, it ends here, and the batch
  /// begins a new one.
  private func attempt(
    _ calls: [ActivityCall], _ connection: PostgresConnection, committing: (Filled?) -> Void
  ) throws -> [Outcome] {
    for _ in 0..<2 {
      committing(nil)
      do {
        let filled = try connection.transaction(isolation: .readCommitted) { connection in
          let filled = try append(calls, connection)
          if filled != nil { StopPoint.activityInserted.reached() }
          committing(filled)
          if let filled, options.isBroken(.tellsBeforeCommit) {
            answer(calls, share(filled.batch.logged, filled))
          }
          return filled
        }
        guard let filled else { return calls.map { _ in .success([]) } }
        return share(advance(past: filled), filled)
      } catch is LogLost {
        endLog()
      } catch let error as PostgresError where error.isUniqueViolation() {
        // Somebody wrote at our leaf: the log is not ours any more.
        endLog()
      }
    }
    throw StoreError.unavailable("no activity log can be begun; ask again")
  }

  /// - Returns: `nil` if there is nothing to log.
  private func append(
    _ calls: [ActivityCall], _ connection: PostgresConnection
  ) throws -> Filled? {
    let entry = try TransactionEntry.read(connection, organization)
    if try !entry.head.follows(log.withLock { $0.own.seen }, of: organization, connection) {
      endLog()
    }
    log.withLock { $0.own.seen = entry.head }
    let held = log.withLock { $0 }
    let now = max(clock.now(), entry.head.known)
    var items = ActivityItems(at: entry.head, now: now)
    var isAnchor = false
    if held.own.state.nextLeaf == 0 {
      items.add(named: try namedLogs(besides: held.own.state.id, connection))
    }
    let first = items.items.count
    let shares = calls.map { call in
      let start = items.items.count
      switch call.work {
      case .accesses(let accesses): items.add(accesses)
      case .anchor:
        if !isAnchor, entry.head.position != held.anchored {
          items.addAnchor(from: held.anchored)
          isAnchor = true
        }
      }
      return start..<items.items.count
    }
    guard items.items.count > first else { return nil }
    let batch = try ActivityBatch(
      items.items, onto: held.own.state, head: entry.head, organization: organization)
    let isTested = !options.isBroken(.forgetsTail)
    let results = try connection.pipeline { pipeline in
      try batch.appendActivity(
        into: &pipeline, recorded: now, signer: keys.signer, after: isTested ? held.own.last : nil)
    }
    if let failure = results.firstFailure { throw failure }
    guard try results.result(results.count - 1).rowCount == 1 else { throw LogLost() }
    return Filled(batch: batch, shares: shares, isAnchor: isAnchor)
  }

  private func namedLogs(
    besides log: ID<DecisionLog>, _ connection: PostgresConnection
  ) throws -> [NamedLog] {
    if options.isBroken(.namesNoLogs) { return [] }
    return try connection.execute(.namedLogs, organization, log).rows.map { row in
      let (id, kind, _, root) = try row.decode(
        ID<DecisionLog>.self, Int16.self, Int64.self, [UInt8].self)
      guard let root = TreeHash(root) else { throw StoreError.unreadable("the root of a log") }
      return NamedLog(
        id: id, kind: UInt8(clamping: kind), size: try row.unsigned(2), root: root)
    }
  }

  private func share(_ logged: [LoggedActivity], _ filled: Filled) -> [Outcome] {
    filled.shares.map { .success(Array(logged[$0])) }
  }

  /// Moves the log past a committed batch.
  /// - Returns: what may be answered.
  private func advance(past filled: Filled) -> [LoggedActivity] {
    let (state, logged) = filled.batch.committed(signer: keys.signer)
    keys.signed.put(state)
    log.withLock { log in
      guard log.own.state.id == filled.batch.log else { return }
      log.own.state = state
      log.own.last = (filled.batch.firstLeaf, filled.batch.id)
      if filled.isAnchor { log.anchored = filled.batch.head.position }
    }
    return logged
  }

  /// Either way the log ends here.
  private func resolve(
    _ filled: Filled, _ calls: [ActivityCall], lanes: PostgresLanes,
    _ ended: @escaping @Sendable () -> Void
  ) {
    endLog()
    lanes.submit { [self] connection in
      do {
        guard try filled.batch.claim(at: clock.now(), connection.get()) else {
          throw StoreError.unavailable("the access was not recorded; ask again")
        }
        answer(calls, share(advance(past: filled), filled))
      } catch let error as StoreError {
        answer(calls, .failure(error))
      } catch {
        let error = StoreError.unavailable("whether the access was recorded is unknown")
        answer(calls, .failure(error))
      }
      ended()
    }
  }

  /// The last thing done: nothing is appended any more.
  func end(_ connection: PostgresConnection) throws {
    let own = log.withLock { $0.own }
    try own.state.end(organization, head: own.seen, at: clock.now(), connection)
  }

  private func endLog() { log.withLock { $0 = Log(of: keys.run) } }

  private func answer(_ calls: [ActivityCall], _ outcomes: [Outcome]) {
    for (call, outcome) in zip(calls, outcomes) { call.answer(outcome) }
  }

  private func answer(_ calls: [ActivityCall], _ outcome: Outcome) {
    for call in calls { call.answer(outcome.mapError { StoreFailure.public($0) }) }
  }
}
