internal import ConsentCore
internal import Postgres
internal import ProofLog

/// One row of `proof_log_batch` as it is read.
struct PackedBatch {
  var log: ID<DecisionLog>
  var firstLeaf: UInt64
  var count: Int
  var receipt: LogReceipt
  var decidedFrom: Instant
  private var records: [UInt8]

  /// Columns as in `PostgresStatement.packedColumns`.
  init(_ row: PostgresRow) throws {
    let (log, _, count, _, root, records, decidedFrom) = try row.decode(
      ID<DecisionLog>.self, Int64.self, Int32.self, Int64.self, [UInt8].self, [UInt8].self,
      Instant.self)
    self.log = log
    self.count = Int(count)
    self.decidedFrom = decidedFrom
    self.records = records
    firstLeaf = try row.unsigned(1)
    guard let root = TreeHash(root) else { throw StoreError.unreadable("the root of a log") }
    receipt = LogReceipt(
      treeSize: firstLeaf + UInt64(clamping: self.count), root: root, epoch: try row.unsigned(3))
  }

  /// The exact bytes of each record, in the order of the leaves.
  func split() throws -> [ArraySlice<UInt8>] {
    guard let records = PackedRecords.split(records, count: count) else {
      throw StoreError.unreadable("the records of a batch of decisions")
    }
    return records
  }

  func decisions() throws -> [LoggedDecision] {
    try split().enumerated().map { offset, bytes in
      let id = DecisionID(log: log, leaf: firstLeaf + UInt64(offset))
      guard let record = LogRecord(bytes), record.id == id else {
        throw StoreError.unreadable("a decision record")
      }
      return LoggedDecision(id: id, entry: record.entry, head: record.head, receipt: receipt)
    }
  }
}

/// The packed decisions that match a filter, in order of (instant, log, leaf).
///
/// Batches are read in order of their earliest instant; a decision is handed out once no batch
/// still unread can begin before it. In memory is a page and what of earlier ones reaches into it.
struct PackedDecisions: DecisionStream {
  enum Scope {
    case everything
    /// Only batches that are not looked up; none of them begins before the instant.
    case notLookedUp(from: Instant)
  }

  private let connection: PostgresConnection
  private let organization: OrganizationID
  private let filter: DecisionFilter
  private let isWhole: Bool
  private var waiting: [LoggedDecision] = []
  private var next = 0
  private var after: (from: Instant, log: ID<DecisionLog>, leaf: Int64)
  /// Nothing unread is earlier; `nil` before the first page.
  private var readUntil: Instant?
  private var isComplete = false

  init(
    _ connection: PostgresConnection, _ organization: OrganizationID, _ filter: DecisionFilter,
    _ scope: Scope = .everything
  ) {
    self.connection = connection
    self.organization = organization
    self.filter = filter
    var start =
      filter.from?.adding(microseconds: -DecisionBatch.longMicroseconds) ?? .distantPast
    switch scope {
    case .everything: isWhole = true
    case .notLookedUp(let from):
      isWhole = false
      start = max(start, from)
    }
    after = (start, ID(high: 0, low: 0), -1)
  }

  mutating func pop() throws -> LoggedDecision? {
    while !isComplete {
      if let readUntil, next < waiting.count, waiting[next].entry.decision.at < readUntil { break }
      try readPage()
    }
    guard next < waiting.count else { return nil }
    defer { next += 1 }
    return waiting[next]
  }

  private mutating func readPage() throws {
    waiting.removeFirst(next)
    next = 0
    if readUntil == nil, let from = filter.from {
      let long = try connection.execute(
        isWhole ? .longBatches : .longBatchesNotLookedUp, organization, from, after.from)
      for row in long.rows { try take(PackedBatch(row)) }
    }
    let page = try connection.execute(
      isWhole ? .packedBatches : .packedBatchesNotLookedUp, organization, after.from, after.log,
      after.leaf, filter.until,
      filter.positionFrom.map { try column($0) } ?? 0)
    for row in page.rows {
      let batch = try PackedBatch(row)
      after = (batch.decidedFrom, batch.log, try column(batch.firstLeaf))
      try take(batch)
    }
    readUntil = after.from
    isComplete = page.rowCount == 0
    waiting.sort { $0.isListed(before: $1) }
  }

  private mutating func take(_ batch: PackedBatch) throws {
    waiting += try batch.decisions().filter(filter.matches)
  }
}

extension LoggedDecision {
  func isListed(before other: LoggedDecision) -> Bool {
    (entry.decision.at, id.log, id.leaf)
      < (other.entry.decision.at, other.id.log, other.id.leaf)
  }
}

extension PostgresStatement {
  static let packedColumns = """
    SELECT log_id, first_leaf, count, epoch, root, records, decided_from
    FROM proof_log_batch
    """
  fileprivate static let packedBatches = PostgresStatement(
    name: "packed_batches", sql: packedBatches(where: ""))
  fileprivate static let packedBatchesNotLookedUp = PostgresStatement(
    name: "packed_batches_not_looked_up", sql: packedBatches(where: beyondProgress))
  fileprivate static let longBatches = PostgresStatement(
    name: "long_batches", sql: longBatches(where: ""))
  fileprivate static let longBatchesNotLookedUp = PostgresStatement(
    name: "long_batches_not_looked_up", sql: longBatches(where: beyondProgress))

  /// At least one row, then as many more as stay within 4 MB, by what their decisions take at least
  /// once they are read, and within 500 rows; each looked up by its key,
  /// whatever the tables were thought to hold when this was planned.
  private static func packedBatches(where condition: String) -> String {
    """
    SELECT b.log_id, b.first_leaf, b.count, b.epoch, b.root, b.records, b.decided_from
    FROM (
      SELECT log_id, first_leaf, decided_from,
        sum(size) OVER (ORDER BY decided_from, log_id, first_leaf) - size AS before
      FROM (
        SELECT log_id, first_leaf, decided_from,
          GREATEST(octet_length(records), count * 320) AS size
        FROM proof_log_batch
        WHERE organization_id = $1 AND decided_from >= $2
          AND (decided_from, log_id, first_leaf) > ($2, $3, $4)
          AND ($5::timestamptz IS NULL OR decided_from < $5)
          AND count > 0 AND position >= $6 \(condition)
        ORDER BY decided_from, log_id, first_leaf LIMIT 500
      ) page
    ) sized
    CROSS JOIN LATERAL (
      SELECT * FROM proof_log_batch
      WHERE organization_id = $1 AND log_id = sized.log_id AND first_leaf = sized.first_leaf
      LIMIT 1
    ) b
    WHERE sized.before < 4194304
    ORDER BY b.decided_from, b.log_id, b.first_leaf
    """
  }

  /// Those that begin before the period's first second and reach into it.
  private static func longBatches(where condition: String) -> String {
    packedColumns + """
       WHERE organization_id = $1 AND is_long AND decided_until >= $2 AND decided_from < $3
        \(condition)
      """
  }

  private static let beyondProgress = """
    AND EXISTS (
      SELECT FROM decision_lookup_progress p
      WHERE p.organization_id = $1 AND p.log_id = proof_log_batch.log_id
        AND p.leaves <= proof_log_batch.first_leaf)
    """
}
