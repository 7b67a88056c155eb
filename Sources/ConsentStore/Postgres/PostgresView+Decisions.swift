internal import ConsentCore
internal import Postgres

extension PostgresView {
  /// The receipts are not signed: what is not committed may yet vanish.
  func log(_ entries: [DecisionEntry]) throws -> [LoggedDecision] {
    guard let log else { throw InvalidChange("a read logs no decisions") }
    guard !entries.isEmpty else { return [] }
    hasWritten = true
    let batch = try DecisionBatch(
      entries.map { DecisionBatch.Item(entry: $0, head: head) }, onto: log, head: head,
      organization: id)
    let results = try connection.pipeline {
      try batch.insert(into: &$0, recorded: now, signer: keys.signer)
    }
    if let failure = results.firstFailure { throw failure }
    self.log = batch.after
    return batch.logged
  }

  /// In one round trip, however many there are.
  func put(useReports: [UseReport]) throws {
    guard !useReports.isEmpty else { return }
    hasWritten = true
    let results = try connection.pipeline { pipeline in
      for report in useReports {
        try pipeline.execute(
          .putUseReport, id, report.id, report.decision?.log,
          report.decision.map { try column($0.leaf) }, report.image.text, report.happened,
          report.wasUsed, now, caller, PostgresJSON(utf8: RecordBody.encode(report)))
      }
    }
    if let failure = results.firstFailure { throw failure }
  }

  func decision(_ id: DecisionID) throws -> LoggedDecision? {
    guard let leaf = Int64(exactly: id.leaf) else { return nil }
    guard let batch = try packedBatch(holding: id) else {
      return try connection.execute(.decision, self.id, id.log, leaf).first
        .map { try LoggedDecision($0) }
    }
    guard !batch.isActivity else { return nil }
    guard var found = try batch.decisions().first(where: { $0.id == id }) else { return nil }
    found.receipt?.signature = try signature(of: batch)
    return found
  }

  /// `nil` if the leaf is in no batch.
  func packedBatch(holding id: DecisionID) throws -> PackedBatch? {
    guard let leaf = Int64(exactly: id.leaf),
      let row = try connection.execute(.packedBatch, self.id, id.log, leaf).first
    else { return nil }
    let batch = try PackedBatch(row)
    return id.leaf < batch.receipt.treeSize ? batch : nil
  }

  func decisions(_ filter: DecisionFilter, limit: Int) throws -> [LoggedDecision] {
    let connection = try self.connection
    var streams: [any DecisionStream] = [UnpackedDecisions(connection, id, filter)]
    // What is looked up and what is not must be told apart in the snapshot of both: a writer sees
    // every statement in one of its own.
    if log == nil, let lookups = filter.lookups {
      for (key, filter) in lookups {
        streams.append(LookedUpDecisions(connection, id, key, filter))
      }
      if let rest = try notLookedUp() {
        streams.append(PackedDecisions(connection, id, filter, .notLookedUp(from: rest.from)))
      }
    } else {
      streams.append(PackedDecisions(connection, id, filter))
    }
    return try MergedDecisions(streams).first(limit)
  }

  /// What is logged and not looked up yet.
  struct NotLookedUp {
    /// No decision of it is earlier.
    var from: Instant
    /// The size of its records, at least of as many of the usual size.
    var bytes: Int64
  }

  /// `nil` if all is looked up. Asked once in a snapshot.
  func notLookedUp() throws -> NotLookedUp? {
    if let seenNotLookedUp { return seenNotLookedUp }
    let rest = try NotLookedUp(connection.execute(.notLookedUp, id).single())
    // A writer's next statement sees more than this one.
    if log == nil { seenNotLookedUp = .some(rest) }
    return rest
  }
}

extension PostgresView.NotLookedUp {
  /// From the columns decided_from and bytes.
  init?(_ row: PostgresRow) throws {
    guard let from: Instant = try row.get(0) else { return nil }
    self.init(from: from, bytes: try row.get(1))
  }
}

/// Several streams as one, in the same order.
private struct MergedDecisions {
  private var streams: [any DecisionStream]
  private var heads: [LoggedDecision?]

  init(_ streams: [any DecisionStream]) throws {
    self.streams = streams
    heads = []
    for index in streams.indices { heads.append(try self.streams[index].pop()) }
  }

  mutating func pop() throws -> LoggedDecision? {
    var first: (index: Int, decision: LoggedDecision)?
    for (index, head) in heads.enumerated() {
      guard let head else { continue }
      if let best = first, !head.isListed(before: best.decision) { continue }
      first = (index, head)
    }
    guard let first else { return nil }
    heads[first.index] = try streams[first.index].pop()
    return first.decision
  }

  func first(_ limit: Int) throws -> [LoggedDecision] {
    var rest = self
    var found: [LoggedDecision] = []
    while found.count < limit, let next = try rest.pop() { found.append(next) }
    return found
  }
}

/// The decisions logged one a row, before batches were packed, in order of (instant, log, leaf).
struct UnpackedDecisions: DecisionStream {
  let connection: PostgresConnection
  let organization: OrganizationID
  let filter: DecisionFilter
  private var after = (Instant.distantPast, ID<DecisionLog>(high: 0, low: 0), Int64(-1))
  private var waiting: ArraySlice<LoggedDecision> = []
  private var isComplete = false

  init(
    _ connection: PostgresConnection, _ organization: OrganizationID, _ filter: DecisionFilter
  ) {
    self.connection = connection
    self.organization = organization
    self.filter = filter
  }

  mutating func pop() throws -> LoggedDecision? {
    while waiting.isEmpty, !isComplete { try readPage() }
    return waiting.popFirst()
  }

  private mutating func readPage() throws {
    let page = try connection.execute(
      .decisions, organization, filter.from ?? .distantPast, filter.until, after.0, after.1,
      after.2, filter.positionFrom.map { try column($0) } ?? 0,
      filter.positionUntil.map { try column($0) })
    var read: [LoggedDecision] = []
    for row in page.rows {
      let logged = try LoggedDecision(row)
      after = (try row.get(7), logged.id.log, try column(logged.id.leaf))
      if filter.matches(logged) { read.append(logged) }
    }
    waiting = read[...]
    isComplete = page.rowCount < decisionPageSize
  }
}

private let decisionPageSize = 500

extension LoggedDecision {
  /// From log, leaf, record, and the position, chain, known and fact_position of the feed row.
  fileprivate init(_ row: PostgresRow) throws {
    let (log, _, record, position, chain, known, factPosition) = try row.decode(
      ID<DecisionLog>.self, Int64.self, [UInt8].self, Int64.self, [UInt8]?.self, Instant?.self,
      Int64?.self)
    guard record.first == 1, let entry: DecisionEntry = RecordBody.decode(Array(record.dropFirst()))
    else {
      throw StoreError.unreadable("a decision record")
    }
    var head = FeedHead.empty
    if position > 0 {
      guard let chain, let known, let fact = factPosition.flatMap({ UInt64(exactly: $0) }) else {
        throw StoreError.unreadable("the feed row of a decision")
      }
      head = FeedHead(
        position: try row.unsigned(3), chain: chain, known: known, factPosition: fact)
    }
    self.init(id: DecisionID(log: log, leaf: try row.unsigned(1)), entry: entry, head: head)
  }
}

extension PostgresStatement {
  private static let loggedColumns = """
    SELECT d.log_id, d.leaf, d.record, d.position, f.chain, f.known, f.fact_position, d.decided_at
    FROM decision_log d
    LEFT JOIN feed f ON f.organization_id = d.organization_id AND f.position = d.position
    """
  fileprivate static let packedBatch = PostgresStatement(
    name: "packed_batch",
    sql: packedColumns + """
       WHERE organization_id = $1 AND log_id = $2 AND first_leaf <= $3 AND count > 0
      ORDER BY first_leaf DESC LIMIT 1
      """)
  /// One row, of NULLs if there is nothing. A log at a time, so that each is one look at its end.
  static let notLookedUp = PostgresStatement(
    name: "not_looked_up",
    sql: """
      SELECT min(rest.decided_from), COALESCE(sum(rest.bytes), 0)::bigint
      FROM decision_lookup_progress p
      CROSS JOIN LATERAL (
        SELECT min(decided_from) AS decided_from, sum(bytes) AS bytes
        FROM (
          SELECT decided_from, GREATEST(octet_length(records), count * 320) AS bytes
          FROM proof_log_batch
          WHERE organization_id = p.organization_id AND log_id = p.log_id
            AND first_leaf >= p.leaves AND count > 0 AND NOT is_activity
          ORDER BY first_leaf OFFSET 0) batch) rest
      WHERE p.organization_id = $1 AND NOT p.is_whole
      """)
  fileprivate static let decision = PostgresStatement(
    name: "decision",
    sql: loggedColumns + " WHERE d.organization_id = $1 AND d.log_id = $2 AND d.leaf = $3")
  /// Keyset pages: after (decided_at, log, leaf) = ($4, $5, $6).
  fileprivate static let decisions = PostgresStatement(
    name: "decisions",
    sql: loggedColumns + """
       WHERE d.organization_id = $1 AND d.decided_at >= GREATEST($2, $4)
        AND ($3::timestamptz IS NULL OR d.decided_at < $3)
        AND (d.decided_at, d.log_id, d.leaf) > ($4, $5, $6)
        AND d.position >= $7 AND ($8::bigint IS NULL OR d.position < $8)
      ORDER BY d.decided_at, d.log_id, d.leaf LIMIT \(decisionPageSize)
      """)
  fileprivate static let putUseReport = PostgresStatement(
    name: "put_use_report",
    sql: """
      INSERT INTO use_report (organization_id, report_id, log_id, leaf, image_key, happened,
        was_used, recorded, recorded_by, body)
      VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
      """)
}
