internal import ConsentCore
internal import Postgres

extension PostgresView {
  func log(_ entries: [DecisionEntry]) throws -> [LoggedDecision] {
    guard let log else { throw InvalidChange("a read logs no decisions") }
    guard !entries.isEmpty else { return [] }
    hasWritten = true
    let first = try nextLeaf ?? connection.execute(.leafCount, id, log).single().unsigned(0)
    let batch = try DecisionBatch(
      entries: entries, log: log, firstLeaf: first, head: head, organization: id)
    let results = try connection.pipeline { try batch.insert(into: &$0, recorded: now) }
    if let failure = results.firstFailure { throw failure }
    nextLeaf = first + UInt64(entries.count)
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
    guard let leaf = Int64(exactly: id.leaf),
      let row = try connection.execute(.decision, self.id, id.log, leaf).first
    else { return nil }
    return try LoggedDecision(row)
  }

  func decisions(_ filter: DecisionFilter, limit: Int) throws -> [LoggedDecision] {
    var found: [LoggedDecision] = []
    var (at, log, leaf) = (Instant.distantPast, ID<DecisionLog>(high: 0, low: 0), Int64(-1))
    while found.count < limit {
      let page = try connection.execute(
        .decisions, id, filter.from ?? .distantPast, filter.until, at, log, leaf,
        filter.positionFrom.map { try column($0) } ?? 0,
        filter.positionUntil.map { try column($0) })
      for row in page.rows {
        let logged = try LoggedDecision(row)
        (at, log, leaf) = (try row.get(7), logged.id.log, try column(logged.id.leaf))
        if filter.matches(logged) { found.append(logged) }
        if found.count == limit { return found }
      }
      guard page.rowCount == decisionPageSize else { break }
    }
    return found
  }
}

private let decisionPageSize = 500

extension LoggedDecision {
  /// From log, leaf, record, and the position, chain, known and fact_position of the feed row.
  fileprivate init(_ row: PostgresRow) throws {
    let (log, _, record, position, chain, known, factPosition) = try row.decode(
      ID<DecisionLog>.self, Int64.self, [UInt8].self, Int64.self, [UInt8]?.self, Instant?.self,
      Int64?.self)
    guard let entry = DecisionBatch.unpack(record) else {
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
  fileprivate static let leafCount = PostgresStatement(
    name: "leaf_count",
    sql: """
      SELECT COALESCE(max(leaf) + 1, 0) FROM decision_log
      WHERE organization_id = $1 AND log_id = $2
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
