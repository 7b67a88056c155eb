internal import ConsentCore
internal import Postgres

extension PostgresView {
  /// Signed before the commit, because the reply, which is stored with it, holds the receipt; it
  /// leaves after the commit only.
  func log(_ entries: [DecisionEntry]) throws -> [LoggedDecision] {
    guard let log else { throw InvalidChange("a read logs no decisions") }
    guard !entries.isEmpty else { return [] }
    let batch = try DecisionBatch(
      entries.map { DecisionBatch.Item(entry: $0, head: head) }, onto: log, head: head,
      organization: id)
    let results = try connection.pipeline { try batch.insert(into: &$0, recorded: now) }
    if let failure = results.firstFailure { throw failure }
    self.log = batch.after
    return batch.signed(by: keys.signer)
  }

  /// In one round trip, however many there are.
  func put(useReports: [UseReport]) throws {
    guard !useReports.isEmpty else { return }
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
    guard var found = try batch.decisions().first(where: { $0.id == id }) else { return nil }
    if let signer = keys.signer, let receipt = found.receipt {
      found.receipt?.signature = receipt.signature(
        by: signer, organization: self.id, log: id.log)
    }
    return found
  }

  /// `nil` if the leaf is in no batch.
  private func packedBatch(holding id: DecisionID) throws -> PackedBatch? {
    guard let leaf = Int64(exactly: id.leaf),
      let row = try connection.execute(.packedBatch, self.id, id.log, leaf).first
    else { return nil }
    let batch = try PackedBatch(row)
    return id.leaf < batch.receipt.treeSize ? batch : nil
  }

  func decisions(_ filter: DecisionFilter, limit: Int) throws -> [LoggedDecision] {
    var (old, packed) = (
      UnpackedDecisions(connection, id, filter), PackedDecisions(connection, id, filter)
    )
    var found: [LoggedDecision] = []
    var (first, second) = (try old.pop(), try packed.pop())
    while found.count < limit {
      if let a = first, second.map(a.isListed) ?? true {
        found.append(a)
        first = try old.pop()
      } else if let b = second {
        found.append(b)
        second = try packed.pop()
      } else {
        break
      }
    }
    return found
  }
}

/// The decisions logged one a row, before batches were packed, in order of (instant, log, leaf).
private struct UnpackedDecisions {
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
