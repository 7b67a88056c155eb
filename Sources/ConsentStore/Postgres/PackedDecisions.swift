internal import ConsentCore
internal import Postgres

/// What is listed in order of (instant, log, leaf).
protocol ListedItem {
  var id: DecisionID { get }
  var listedAt: Instant { get }
}

extension ListedItem {
  func isListed(before other: Self) -> Bool {
    (listedAt, id.log, id.leaf) < (other.listedAt, other.id.log, other.id.leaf)
  }
}

extension LoggedDecision: ListedItem {
  var listedAt: Instant { entry.decision.at }
}

extension LoggedAccess: ListedItem {
  var listedAt: Instant { access.at }
}

/// What packed batches hold, in order of (instant, log, leaf).
///
/// Batches are read in order of their earliest instant; an item is handed out once no batch still
/// unread can begin before it. In memory is a page and what of earlier ones reaches into it.
struct PackedStream<Item: ListedItem> {
  /// Which batches, and what of them.
  struct Source {
    var batches: PostgresStatement
    /// Those that reach into the period's first second.
    var longBatches: PostgresStatement
    var from: Instant?
    /// Exclusive.
    var until: Instant?
    var positionFrom: UInt64?
    /// No batch that begins earlier is read, except long ones.
    var start: Instant
    var read: (PackedBatch) throws -> [Item]
  }

  private let connection: PostgresConnection
  private let organization: OrganizationID
  private let source: Source
  private var waiting: [Item] = []
  private var next = 0
  private var after: (from: Instant, log: ID<DecisionLog>, leaf: Int64)
  /// Nothing unread is earlier; `nil` before the first page.
  private var readUntil: Instant?
  private var isComplete = false

  init(_ connection: PostgresConnection, _ organization: OrganizationID, _ source: Source) {
    self.connection = connection
    self.organization = organization
    self.source = source
    after = (source.start, ID(high: 0, low: 0), -1)
  }

  mutating func pop() throws -> Item? {
    while !isComplete {
      if let readUntil, next < waiting.count, waiting[next].listedAt < readUntil { break }
      try readPage()
    }
    guard next < waiting.count else { return nil }
    defer { next += 1 }
    return waiting[next]
  }

  private mutating func readPage() throws {
    waiting.removeFirst(next)
    next = 0
    if readUntil == nil, let from = source.from {
      let long = try connection.execute(source.longBatches, organization, from, after.from)
      for row in long.rows { waiting += try source.read(PackedBatch(row)) }
    }
    let page = try connection.execute(
      source.batches, organization, after.from, after.log, after.leaf, source.until,
      source.positionFrom.map { try column($0) } ?? 0)
    for row in page.rows {
      let batch = try PackedBatch(row)
      after = (batch.decidedFrom, batch.log, try column(batch.firstLeaf))
      waiting += try source.read(batch)
    }
    readUntil = after.from
    isComplete = page.rowCount == 0
    waiting.sort { $0.isListed(before: $1) }
  }
}

/// The packed decisions that match a filter.
struct PackedDecisions: DecisionStream {
  enum Scope {
    case everything
    /// Only batches that are not looked up; none of them begins before the instant.
    case notLookedUp(from: Instant)
  }

  private var stream: PackedStream<LoggedDecision>

  init(
    _ connection: PostgresConnection, _ organization: OrganizationID, _ filter: DecisionFilter,
    _ scope: Scope = .everything
  ) {
    var source = PackedStream<LoggedDecision>.Source(
      batches: .packedBatches, longBatches: .longBatches, from: filter.from, until: filter.until,
      positionFrom: filter.positionFrom, start: .beforeLong(filter.from)
    ) { try $0.decisions().filter(filter.matches) }
    if case .notLookedUp(let from) = scope {
      source.batches = .packedBatchesNotLookedUp
      source.longBatches = .longBatchesNotLookedUp
      source.start = max(source.start, from)
    }
    stream = PackedStream(connection, organization, source)
  }

  mutating func pop() throws -> LoggedDecision? { try stream.pop() }
}

extension PackedStream<LoggedAccess> {
  /// The accesses that match a filter: every batch of the activity logs in the period is read.
  init(
    accesses connection: PostgresConnection, _ organization: OrganizationID, _ filter: AccessFilter
  ) {
    self.init(
      connection, organization,
      Source(
        batches: .activityBatches, longBatches: .longActivityBatches, from: filter.from,
        until: filter.until, positionFrom: nil, start: .beforeLong(filter.from)
      ) { try $0.activities().compactMap(\.access).filter(filter.matches) })
  }
}

extension Instant {
  /// Where batches that are not long and reach into a period begin at the earliest.
  fileprivate static func beforeLong(_ from: Instant?) -> Instant {
    from?.adding(microseconds: -DecisionBatch.longMicroseconds) ?? .distantPast
  }
}

extension PostgresStatement {
  fileprivate static let packedBatches = PostgresStatement(
    name: "packed_batches", sql: packedBatches(where: "AND NOT is_activity"))
  fileprivate static let packedBatchesNotLookedUp = PostgresStatement(
    name: "packed_batches_not_looked_up", sql: packedBatches(where: beyondProgress))
  fileprivate static let longBatches = PostgresStatement(
    name: "long_batches", sql: longBatches(where: "AND NOT is_activity"))
  fileprivate static let longBatchesNotLookedUp = PostgresStatement(
    name: "long_batches_not_looked_up", sql: longBatches(where: beyondProgress))
  fileprivate static let activityBatches = PostgresStatement(
    name: "activity_batches", sql: packedBatches(where: "AND is_activity"))
  fileprivate static let longActivityBatches = PostgresStatement(
    name: "long_activity_batches", sql: longBatches(where: "AND is_activity"))

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
    AND NOT is_activity AND EXISTS (
      SELECT FROM decision_lookup_progress p
      WHERE p.organization_id = $1 AND p.log_id = proof_log_batch.log_id
        AND p.leaves <= proof_log_batch.first_leaf)
    """
}
