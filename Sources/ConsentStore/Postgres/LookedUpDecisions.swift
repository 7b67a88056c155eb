internal import ConsentCore
internal import Postgres
internal import ProofLog

/// Logged decisions in order of (instant, log, leaf).
protocol DecisionStream {
  mutating func pop() throws -> LoggedDecision?
}

/// The decisions of one key that match a filter, as far as they are looked up.
///
/// Rows are read in order of their earliest instant; a decision is handed out once no row still
/// unread can begin before it. Records are read when they are near, the more the longer it goes on.
struct LookedUpDecisions: DecisionStream {
  private let connection: PostgresConnection
  private let organization: OrganizationID
  private let key: ID<LookupKey>
  private let filter: DecisionFilter
  private var after: (from: Instant, log: ID<DecisionLog>, leaf: Int64)
  /// In order, from `next` on.
  private var waiting: [LookupEntry] = []
  private var next = 0
  /// Nothing unread is earlier; `nil` before the first page.
  private var readUntil: Instant?
  private var isComplete = false
  private var ready: ArraySlice<LoggedDecision> = []
  private var rowsAtOnce: Int64 = 16
  private var recordsAtOnce = 16
  private static let bytesAtOnce = 4 << 20

  init(
    _ connection: PostgresConnection, _ organization: OrganizationID, _ key: ID<LookupKey>,
    _ filter: DecisionFilter
  ) {
    self.connection = connection
    self.organization = organization
    self.key = key
    self.filter = filter
    let start = filter.from?.adding(microseconds: -LookupRow.reachMicroseconds)
    after = (start ?? .distantPast, ID(high: 0, low: 0), -1)
  }

  mutating func pop() throws -> LoggedDecision? {
    while ready.isEmpty {
      let end = waiting[next...].firstIndex { entry in !isNear(entry) } ?? waiting.endIndex
      if next < end {
        try readRecords(until: end)
      } else if isComplete {
        return nil
      } else {
        try readRows()
      }
    }
    return ready.popFirst()
  }

  private func isNear(_ entry: LookupEntry) -> Bool {
    isComplete || readUntil.map { entry.at < $0 } ?? false
  }

  private mutating func readRows() throws {
    waiting.removeFirst(next)
    next = 0
    let page = try connection.execute(
      .lookupRows, organization, key, after.from, after.log, after.leaf,
      filter.until ?? .distantFuture, rowsAtOnce)
    for row in page.rows {
      let found = try LookupRow.entries(row)
      waiting += found.entries.filter { $0.mayMatch(filter) }
      after = (found.from, found.log, try column(found.firstLeaf))
    }
    readUntil = after.from
    isComplete = Int64(page.rowCount) < rowsAtOnce
    rowsAtOnce = min(rowsAtOnce * 4, 256)
    waiting.sort { $0.isListed(before: $1) }
  }

  private mutating func readRecords(until end: Int) throws {
    var wanted: [LookupEntry] = []
    var bytes = 0
    while next < end, wanted.count < recordsAtOnce, bytes < Self.bytesAtOnce {
      bytes += waiting[next].length
      wanted.append(waiting[next])
      next += 1
    }
    recordsAtOnce = min(recordsAtOnce * 4, 1_024)
    ready = try LookupEntry.decisions(wanted, organization, connection).filter(filter.matches)[...]
  }
}

extension LookupRow {
  /// From the columns decided_from, log_id, first_leaf and entries.
  static func entries(
    _ row: PostgresRow
  ) throws -> (from: Instant, log: ID<DecisionLog>, firstLeaf: UInt64, entries: [LookupEntry]) {
    let (from, log, _, bytes) = try row.decode(
      Instant.self, ID<DecisionLog>.self, Int64.self, [UInt8].self)
    let firstLeaf = try row.unsigned(2)
    guard let entries = entries(bytes, log: log, from: from, firstLeaf: firstLeaf) else {
      throw StoreError.unreadable("a row of the look-up of decisions")
    }
    return (from, log, firstLeaf, entries)
  }
}

extension LookupEntry {
  /// Reads their records, and nothing of their batches beside them.
  /// - Throws: `StoreError.unreadable` if one is not where it was.
  fileprivate static func decisions(
    _ entries: [LookupEntry], _ organization: OrganizationID, _ connection: PostgresConnection
  ) throws -> [LoggedDecision] {
    let rows = try connection.execute(
      .recordsLookedUp, organization, entries.map(\.log),
      entries.map { try column($0.batch) }, entries.map { Int32(clamping: $0.offset) },
      entries.map { Int32(clamping: $0.length) }
    ).rows
    guard rows.count == entries.count else {
      throw StoreError.unreadable("a batch of decisions that was looked up is missing")
    }
    return try zip(rows, entries).map { row, entry in
      let (count, _, root, bytes) = try row.decode(
        Int32.self, Int64.self, [UInt8].self, [UInt8].self)
      let id = DecisionID(log: entry.log, leaf: entry.leaf)
      guard let root = TreeHash(root), let record = LogRecord(bytes), record.id == id else {
        throw StoreError.unreadable("a decision record")
      }
      let receipt = LogReceipt(
        treeSize: entry.batch + UInt64(clamping: count), root: root, epoch: try row.unsigned(1))
      return LoggedDecision(id: id, entry: record.entry, head: record.head, receipt: receipt)
    }
  }
}

extension PostgresStatement {
  fileprivate static let lookupRows = PostgresStatement(
    name: "lookup_rows",
    sql: """
      SELECT decided_from, log_id, first_leaf, entries FROM decision_lookup
      WHERE organization_id = $1 AND key = $2 AND decided_from >= $3
        AND (decided_from, log_id, first_leaf) > ($3, $4, $5) AND decided_from < $6
      ORDER BY decided_from, log_id, first_leaf LIMIT $7
      """)
  /// In the order asked for. OFFSET 0 keeps it to one look-up by key a record.
  fileprivate static let recordsLookedUp = PostgresStatement(
    name: "records_looked_up",
    sql: """
      SELECT b.count, b.epoch, b.root, b.record
      FROM unnest($2::uuid[], $3::bigint[], $4::int[], $5::int[])
        WITH ORDINALITY AS a (log_id, first_leaf, start, length, place)
      CROSS JOIN LATERAL (
        SELECT count, epoch, root, substr(records, a.start + 1, a.length) AS record
        FROM proof_log_batch
        WHERE organization_id = $1 AND log_id = a.log_id AND first_leaf = a.first_leaf
        OFFSET 0) b
      ORDER BY a.place
      """)
}
