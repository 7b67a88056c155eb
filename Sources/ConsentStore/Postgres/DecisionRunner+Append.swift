internal import ConsentCore
internal import Postgres
internal import ProofLog
internal import Synchronization

// Decisions taken on the index: condition, append and what the feed holds above, in one statement
// and one round trip.
extension DecisionRunner {
  typealias Appending = DecisionBatcher.Appending

  /// Answers the job, then calls `ended`.
  func append(
    _ job: Appending, _ connection: PostgresConnection, lanes: PostgresLanes,
    isSecondTry: Bool = false, _ ended: @escaping @Sendable () -> Void
  ) {
    var unresolved: DecisionBatch?
    do {
      job.answer(.success(try attempt(job, connection) { unresolved = $0 }))
      ended()
    } catch {
      let failure = error as? PostgresError
      if !isSecondTry, failure?.isRetryable == true {
        // Nothing was logged; a connection that was lost is replaced by the lane.
        return lanes.submit { [self] connection in
          switch connection {
          case .success(let connection):
            append(job, connection, lanes: lanes, isSecondTry: true, ended)
          case .failure(let error):
            job.answer(.failure(StoreFailure.public(error)))
            ended()
          }
        }
      }
      guard let unresolved, failure?.outcomeUnknown == true else {
        job.answer(.failure(StoreFailure.public(error)))
        return ended()
      }
      resolve(unresolved, lanes: lanes) { outcome in
        job.answer(outcome.map { .logged($0, nil) })
        ended()
      }
    }
  }

  /// Twice at most: where the log does not stand as this node left it, it ends here, and the batch
  /// begins a new one.
  private func attempt(
    _ job: Appending, _ connection: PostgresConnection, committing: (DecisionBatch) -> Void
  ) throws -> AppendOutcome {
    StopPoint.checkEntered.reached()
    for _ in 0..<2 {
      let held = log.withLock { $0 }
      let items = job.taken.entries.map { DecisionBatch.Item(entry: $0, head: job.taken.head) }
      let batch = try DecisionBatch(
        items, onto: held.state, head: job.taken.head, organization: organization)
      committing(batch)
      do {
        let answer = try append(batch, job.condition, held, connection)
        switch answer.verdict {
        case .logged:
          let logged = advance(past: batch)
          log.withLock { $0.seen = answer.following.head }
          StopPoint.checkCommitted.reached()
          return .logged(logged, answer.following)
        case .behind:
          log.withLock { $0.seen = answer.following.head }
          return .behind(answer.following)
        case .historyReplaced:
          log.withLock { $0 = Log(of: keys.run) }
          return .historyReplaced
        case .logEnded: log.withLock { $0 = Log(of: keys.run, seen: answer.following.head) }
        case .unknown: throw StoreError.unreadable("the outcome of an append")
        }
      } catch let error as PostgresError where error.isUniqueViolation() {
        // Somebody wrote at our leaf: the log is not ours any more.
        endLog()
      }
    }
    throw StoreError.unavailable("no decision log can be begun; ask again")
  }

  private enum Verdict: Int32 {
    case logged = 1
    case behind = 2
    case historyReplaced = 3
    case logEnded = 4
    case unknown = 5
  }

  private func append(
    _ batch: DecisionBatch, _ condition: AppendCondition, _ held: Log,
    _ connection: PostgresConnection
  ) throws -> (verdict: Verdict, following: FeedFollowing) {
    let last = condition.requiresLogTail ? held.last : nil
    var test = AppendTest(
      unlessAbove: try condition.unlessFactsChangedAbove.map { try column($0) },
      after: try column(condition.after), lastFirstLeaf: try last.map { try column($0.firstLeaf) },
      lastID: last?.id, seenPosition: try column(held.seen.position), seenChain: held.seen.chain)
    #if DEBUG
      test.readsFeed = condition.readsFeed
    #endif
    if batch.firstLeaf > 0, let near = NearFeed(test, position: try column(batch.head.position)) {
      let answer = try append(batch, test, near, connection)
      if let answer, answer.verdict != .unknown { return answer }
    }
    guard let answer = try append(batch, test, nil, connection) else {
      throw StoreError.unknownOrganization
    }
    return answer
  }

  /// - Returns: `nil` if there is no row.
  private func append(
    _ batch: DecisionBatch, _ test: AppendTest, _ near: NearFeed?, _ connection: PostgresConnection
  ) throws -> (verdict: Verdict, following: FeedFollowing)? {
    let results = try connection.pipelinedTransaction(isolation: .readCommitted) { pipeline in
      _ = try TransactionEntry.enterWithKeptPlan(&pipeline, organization)
      try batch.append(
        into: &pipeline, recorded: max(clock.now(), batch.head.known), signer: keys.signer, test,
        near)
      StopPoint.checkInserted.reached()
    }
    try TransactionEntry.checkEntered(results.result(0))
    let rows = try results.result(1).rows
    guard let first = try results.result(1).first else { return nil }
    guard let verdict = Verdict(rawValue: try first.get(0)) else {
      throw StoreError.unreadable("the outcome of an append")
    }
    let head = try first.get(1, as: Int64?.self) == nil ? .empty : FeedHead(first, from: 1)
    var following = FeedFollowing(head: head, rows: [], holdsPart2: try first.get(5))
    for row in rows where try row.get(6, as: Int64?.self) != nil {
      following.rows.append(try FeedRow(row, from: 6))
    }
    // The statement promises no order, so that its plan needs no sort.
    following.rows.sort { $0.position < $1.position }
    return (verdict, following)
  }
}

/// What the statement that appends a batch tests first.
struct AppendTest {
  var unlessAbove: Int64?
  var after: Int64
  /// The batch that the log must end with; `nil` while it is empty.
  var lastFirstLeaf: Int64?
  var lastID: PostgresUUID?
  /// A head that this node has seen: the feed must still hold it.
  var seenPosition: Int64
  var seenChain: [UInt8]
  #if DEBUG
    var readsFeed = true
  #endif
}

extension DecisionBatch {
  func append(
    into pipeline: inout PostgresPipeline, recorded: Instant, signer: LogSigner?,
    _ test: AppendTest, _ near: NearFeed?
  ) throws {
    var parameters = try parameters(recorded: recorded)
    for value in [test.unlessAbove, test.after, test.lastFirstLeaf] { parameters.append(value) }
    parameters.append(test.lastID)
    parameters.append(before.tree.root.bytes)
    parameters.append(test.seenPosition)
    parameters.append(test.seenChain)
    parameters.append(before.kind.rawValue)
    parameters.append(signer?.verifierKey.text ?? "")
    #if DEBUG
      guard test.readsFeed else {
        try pipeline.execute(.appendBlindly, parameters)
        return
      }
    #endif
    guard let near else { return _ = try pipeline.execute(.appendBatch, parameters) }
    parameters.append(near.range.lowerBound)
    parameters.append(near.range.upperBound)
    try pipeline.execute(.appendNearHead, parameters)
  }
}

extension PostgresStatement {
  /// One snapshot for everything. The organization's own row must be visible, so that an invisible
  /// feed is never taken for one with nothing newer.
  ///
  /// A row is looked up by a range of one and in the order of its key: while tables are empty, every
  /// index on the organization costs the planner the same, and a plan that is kept may walk through
  /// all batches of the organization for one of them. Only the key's index gives that order without
  /// a sort, and sorts are off.
  ///
  /// $1 to $15 as in `insertBatch`, the columns of `proof_log_batch`.
  static let appendBatch = PostgresStatement(
    name: "append_proof_log_batch",
    sql: """
      WITH asked AS MATERIALIZED (
        SELECT h.position, h.chain, h.known, h.fact_position,
          CASE
            WHEN $9 > 0 AND (
              SELECT chain = $10 FROM feed
              WHERE organization_id = $1 AND position BETWEEN $9 AND $9
              ORDER BY position LIMIT 1) IS NOT TRUE THEN 3
            WHEN h.fact_position > $16 THEN 2
            WHEN $21 > 0 AND ($21 <> $9 OR $22 <> $10) AND (
              SELECT chain = $22 FROM feed
              WHERE organization_id = $1 AND position BETWEEN $21 AND $21
              ORDER BY position LIMIT 1) IS NOT TRUE THEN 4
            WHEN $18 IS NOT NULL AND (
              SELECT batch_id = $19 AND first_leaf + count = $3 AND root = $20 AND epoch = $5
              FROM proof_log_batch
              WHERE organization_id = $1 AND log_id = $2 AND first_leaf BETWEEN $18 AND $18
              ORDER BY first_leaf LIMIT 1) IS NOT TRUE THEN 4
            ELSE 1
          END AS verdict
        FROM organization o
        LEFT JOIN LATERAL (
          SELECT position, chain, known, fact_position FROM feed WHERE organization_id = $1
          ORDER BY position DESC LIMIT 1) h ON true
        WHERE o.organization_id = $1
      ), log AS (
        INSERT INTO proof_log (organization_id, log_id, epoch, kind, verifier_key, started)
        SELECT $1, $2, $5, $23, $24, $14 FROM asked WHERE verdict = 1 AND $3 = 0
      ), batch AS (
        INSERT INTO proof_log_batch
          (organization_id, log_id, first_leaf, count, epoch, root, batch_id, signature_before,
            position, chain, decided_from, decided_until, is_long, recorded, records)
        SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15
        FROM asked WHERE verdict = 1
      )
      SELECT a.verdict, a.position, a.chain, a.known, a.fact_position,
        COALESCE(a.position > $17, false) AND EXISTS (
          SELECT FROM image_version
          WHERE organization_id = $1 AND position <= a.position AND part2_value IS NOT NULL),
        f.position, f.chain, f.known, f.event_id, f.event, f.recorded_by
      FROM asked a
      LEFT JOIN LATERAL (
        SELECT position, chain, known, event_id, event, recorded_by FROM feed
        WHERE organization_id = $1 AND position > $17 AND a.position > $17
        ORDER BY position LIMIT \(FeedFollowing.limit)) f ON true
      """)
}
