internal import ConsentCore
internal import Postgres

/// Runs several changes of one organization in one transaction: one lock, one head, one look-up of
/// replies, each body in turn, one COMMIT.
///
/// Each change sees those before it: its view begins at the head that they left, and a statement
/// of it runs after the rows that they added are sent.
///
/// Two round trips, and those of the bodies: one that begins, locks and reads, and one that inserts
/// all rows and commits. Whether an event or a grant's end is new, its key tells then; a change whose
/// key was refused runs once more, looking first.
///
/// INVARIANT: an outcome is told after COMMIT only, also a failure: what a body refused, it may have
/// refused for a neighbour's change, which stands only then.
struct WriteGroup: Sendable {
  let organization: OrganizationID
  let keys: KeyRing
  let clock: any WallClock
  let history: FeedHistory
  let seen = SeenHead()
  let options: PostgresConsentStore.Options

  struct Outcome: Sendable {
    var result: Result<WriteReceipt, any Error>
    /// The body ran and its reply is recorded with this transaction.
    var isNew: Bool
    /// An earlier try of this very call was found to be committed. Under a caller's key another call
    /// may have left the reply, and what was only tried is never signed.
    var stands = false
  }

  /// What one transaction did.
  struct Attempt: Sendable {
    /// For the changes from the front; those after them were not begun.
    var outcomes: [Outcome] = []
    /// Changes whose bodies were begun: one more than outcomes if a body broke the transaction.
    var begun = 0
    /// The feed before and after them.
    var before = FeedHead.empty
    var head = FeedHead.empty
    /// The logs of changes that logged decisions of their own, by the number of the change.
    var logs: [Int: LogState] = [:]
    /// Why the outcomes do not hold; `nil` if they do.
    var failure: (any Error)?
  }

  func run(_ changes: [PendingWrite], _ connection: PostgresConnection) -> Attempt {
    let attempt = run(changes, connection, looksFirst: false)
    guard changes.count == 1, let error = attempt.failure as? PostgresError,
      error.isUniqueViolation(), !error.outcomeUnknown
    else { return attempt }
    return run(changes, connection, looksFirst: true)
  }

  private func run(
    _ changes: [PendingWrite], _ connection: PostgresConnection, looksFirst: Bool
  ) -> Attempt {
    var attempt = Attempt()
    do {
      let rows = PendingRows(
        connection, organization, looksFirst: looksFirst,
        isSeen: !options.isBroken(.readsPastNeighbours))
      let replies: WriteReplies
      try KeptPlans.renewIfOutgrown(connection)
      do {
        replies = try fill(&attempt, changes, connection, rows)
      } catch {
        // The error of a body is the one to report; a connection that cannot even roll back is
        // broken, and the server then undoes the transaction.
        try? connection.rollback()
        throw error
      }
      guard !replies.isEmpty else {
        try connection.rollback()
        return attempt
      }
      try connection.commit { pipeline in
        try rows.send(into: &pipeline)
        try replies.insert(into: &pipeline)
        StopPoint.writeInserted.reached()
      }
      StopPoint.writeCommitted.reached()
      seen.set(attempt.head)
      history.advance(organization, from: attempt.before, to: attempt.head)
      for (number, log) in attempt.logs.sorted(by: { $0.key < $1.key }) {
        let signed = signAndEnd(log, at: attempt.head, connection)
        guard attempt.outcomes.indices.contains(number) else { continue }
        attempt.outcomes[number].result = attempt.outcomes[number].result.map { receipt in
          var receipt = receipt
          receipt.log = LogReceipt(signed)
          return receipt
        }
      }
    } catch {
      attempt.failure = error
      // Where no body was begun there is nothing whose outcome could be unknown.
      if attempt.begun == 0, var error = error as? PostgresError {
        error.outcomeUnknown = false
        attempt.failure = error
      }
    }
    return attempt
  }

  /// - Returns: what is to be committed with the rows; nothing if it is empty.
  private func fill(
    _ attempt: inout Attempt, _ changes: [PendingWrite], _ connection: PostgresConnection,
    _ rows: PendingRows
  ) throws -> WriteReplies {
    let ahead = ReadAhead(
      changes.compactMap(\.patient), organization, connection, rows,
      forgets: !options.isBroken(.remembersTooLong))
    let results = try connection.begin(isolation: .readCommitted) { pipeline in
      _ = try TransactionEntry.enterToWrite(&pipeline, organization)
      try pipeline.execute(.lockOrganization, organization)
      try pipeline.execute(.head, organization)
      _ = try WriteReplies.lookUp(changes, of: organization, &pipeline)
      try ahead.ask(in: &pipeline)
    }
    try TransactionEntry.checkEntered(results.result(0))
    var entry = try TransactionEntry(organization, results.result(1), head: results.result(2))
    var replies = try WriteReplies(results.result(3), of: organization)
    let first = PostgresView(connection, entry, keys: keys, clock: clock.now())
    try seen.require(first, comparingChains: !options.isBroken(.trustsPositions))
    try history.requireKnownKinds(first)
    KeptPlans.note(entry.head, connection)
    try ahead.take(results)
    attempt.before = entry.head
    attempt.head = entry.head
    StopPoint.writeLocked.reached()
    let end = ContinuousClock.now + options.writeLockTime
    for change in changes {
      // Whoever waits for the lock on another node waits for the group, not for the queue.
      if attempt.begun > 0, ContinuousClock.now >= end { break }
      attempt.begun += 1
      let view = PostgresView(
        connection, entry, keys: keys, clock: clock.now(), caller: change.caller, log: change.log,
        pending: rows, ahead: ahead)
      let outcome = try outcome(of: change, view, &replies)
      // What was found to stand is of the last try whose body ran: each try looks, behind the lock,
      // for the one before it.
      var log = outcome.stands ? change.triedLog : view.log
      if options.isBroken(.forgetsTriedLog), outcome.stands { log = nil }
      if let log, log.nextLeaf > 0 { attempt.logs[attempt.outcomes.count] = log }
      attempt.outcomes.append(outcome)
      entry.head = view.head
      attempt.head = view.head
    }
    return replies
  }

  /// The changes stand whatever comes of it: of a log that could not be ended this process alone
  /// knows the signature.
  private func signAndEnd(
    _ log: LogState, at head: FeedHead, _ connection: PostgresConnection
  ) -> LogState {
    let log = log.signed(by: keys.signer, organization: organization)
    do {
      try log.end(organization, head: head, at: clock.now(), connection)
    } catch {
      keys.signed.put(log)
    }
    return log
  }

  /// - Throws: what ends the transaction for all.
  private func outcome(
    of change: PendingWrite, _ view: PostgresView, _ replies: inout WriteReplies
  ) throws -> Outcome {
    let reply: [UInt8]
    do {
      if let earlier = try replies.reply(to: change.key) {
        try replies.addReplay(of: change.key, head: earlier.head, at: view.now)
        let receipt = WriteReceipt(
          reply: earlier.bytes, head: earlier.head, replayed: !change.mayStand)
        return Outcome(
          result: .success(receipt), isNew: false, stands: change.mayStand && change.key.isOwn)
      }
      reply = try change.body(view)
    } catch {
      // Only what left no trace is the change's own affair.
      let isOwn = !view.hasWritten && view.isTransactionIntact
      guard isOwn || options.isBroken(.keepsPartialWrites) else { throw error }
      return Outcome(result: .failure(error), isNew: false)
    }
    guard view.isTransactionIntact else {
      throw PostgresError(.misuse, "a body went on after its transaction had failed")
    }
    try replies.add(reply, to: change.key, head: view.head, at: view.now)
    let receipt = WriteReceipt(reply: reply, head: view.head, replayed: false)
    return Outcome(result: .success(receipt), isNew: true)
  }
}
