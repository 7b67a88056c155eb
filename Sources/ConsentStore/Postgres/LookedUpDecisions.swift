internal import ConsentCore
internal import Postgres
internal import ProofLog

/// Logged decisions in order of (instant, log, leaf).
protocol DecisionStream {
  mutating func pop() throws -> LoggedDecision?
}

/// The decisions of one key that match a filter, as far as they are looked up.
///
/// Runs are read in order of their earliest instant, and in each the pages in order of theirs; a
/// decision is handed out once nothing unread can be before it. Records are read when they are near,
/// the more the longer it goes on.
struct LookedUpDecisions: DecisionStream {
  private let connection: PostgresConnection
  private let organization: OrganizationID
  private let key: LookupKey
  private let filter: DecisionFilter
  /// Not read yet; `nil`: not known yet.
  private var runs: ArraySlice<Run>?
  /// Of which there are more pages.
  private var open: [OpenRun] = []
  /// In order, from `next` on.
  private var waiting: [LookupEntry] = []
  private var next = 0
  private var ready: ArraySlice<LoggedDecision> = []
  private var runsAtOnce = 16
  private var recordsAtOnce = 16

  private struct Run {
    var id: ID<LookupRun>
    var from: Instant
  }

  private struct OpenRun {
    var id: ID<LookupRun>
    /// The last page that was read. Nothing unread is earlier.
    var from: Instant
    var number: Int32
    var pagesAtOnce: Int64 = 4
  }

  init(
    _ connection: PostgresConnection, _ organization: OrganizationID, _ key: LookupKey,
    _ filter: DecisionFilter
  ) {
    self.connection = connection
    self.organization = organization
    self.key = key
    self.filter = filter
  }

  mutating func pop() throws -> LoggedDecision? {
    while ready.isEmpty {
      let unread = try unread()
      let end =
        waiting[next...].firstIndex { entry in unread.map { entry.at >= $0.from } ?? false }
        ?? waiting.endIndex
      if next < end {
        try readRecords(until: end)
      } else if let unread {
        try unread.open.map { try readPages($0) } ?? readRuns()
        waiting.sort { $0.isListed(before: $1) }
      } else {
        return nil
      }
    }
    return ready.popFirst()
  }

  /// The earliest of what is not read; `open` is `nil` where it is in a run of which nothing is.
  private mutating func unread() throws -> (from: Instant, open: Int?)? {
    if runs == nil { runs = try readHeads() }
    var earliest: (from: Instant, open: Int?)? = runs?.first.map { ($0.from, nil) }
    for (index, run) in open.enumerated() where earliest.map({ run.from < $0.from }) ?? true {
      earliest = (run.from, index)
    }
    return earliest
  }

  private func readHeads() throws -> ArraySlice<Run> {
    try connection.execute(
      .runs, organization, filter.from ?? .distantPast, filter.until ?? .distantFuture
    ).rows.map { Run(id: try $0.get(0), from: try $0.get(1)) }[...]
  }

  /// Of the next runs the pages in which the key may be: the last that begins before it and the first
  /// that begins with it.
  private mutating func readRuns() throws {
    let group = runs?.prefix(runsAtOnce) ?? []
    runs = runs?.dropFirst(runsAtOnce)
    runsAtOnce = min(runsAtOnce * 4, 256)
    let rows = try connection.execute(
      .pagesLookedUp, organization, group.map(\.id), key.word, filter.from ?? .distantPast,
      filter.until ?? .distantFuture
    ).rows
    waiting.removeFirst(next)
    next = 0
    for row in rows {
      let page = try LookupPage(row, from: 0)
      try take(page)
      if page.word == key.word, try row.get(5, as: Bool.self) {
        open.append(
          OpenRun(id: try row.get(4), from: page.from, number: try row.get(3)))
      }
    }
  }

  private mutating func readPages(_ index: Int) throws {
    let run = open[index]
    let rows = try connection.execute(
      .furtherPagesLookedUp, organization, run.id, key.word, run.from, run.number,
      filter.until ?? .distantFuture, run.pagesAtOnce
    ).rows
    waiting.removeFirst(next)
    next = 0
    for row in rows {
      let page = try LookupPage(row, from: 0)
      open[index].from = page.from
      open[index].number = try row.get(3)
      try take(page)
    }
    open[index].pagesAtOnce = min(run.pagesAtOnce * 4, 64)
    if rows.count < run.pagesAtOnce { open.remove(at: index) }
  }

  private mutating func take(_ page: LookupPage) throws {
    guard let entries = page.entries(of: key.word) else { throw LookupPage.unreadable }
    waiting += entries.filter { $0.key == key && $0.mayMatch(filter) }
  }

  private mutating func readRecords(until end: Int) throws {
    let wanted = waiting[next..<min(end, next + recordsAtOnce)]
    next = wanted.endIndex
    recordsAtOnce = min(recordsAtOnce * 4, 256)
    ready = try LookupEntry.decisions(wanted, organization, connection).filter(filter.matches)[...]
  }
}

extension LookupPage {
  /// From three columns: key, decided_from and entries.
  init(_ row: PostgresRow, from column: Int) throws {
    word = try row.get(column)
    from = try row.get(column + 1)
    bytes = try row.get(column + 2)
  }
}

extension LookupEntry {
  /// Reads their records, each batch once.
  /// - Throws: `StoreError.unreadable` if one is not where it was.
  fileprivate static func decisions(
    _ entries: ArraySlice<LookupEntry>, _ organization: OrganizationID,
    _ connection: PostgresConnection
  ) throws -> [LoggedDecision] {
    let places = try places(entries, organization, connection)
    let rows = try connection.execute(
      .recordsLookedUp, organization, entries.map(\.log),
      places.map { try column($0.batch) }, places.map { Int32(clamping: $0.offset) },
      places.map { Int32(clamping: $0.length) }
    ).rows
    guard rows.count == entries.count else {
      throw StoreError.unreadable("a batch of decisions that was looked up is missing")
    }
    var batches = BatchesReadHere()
    for (row, (entry, place)) in zip(rows, zip(entries, places)) {
      try batches.keep(row.get(3), of: entry.log, place.batch)
    }
    return try zip(rows, zip(entries, places)).map { row, found in
      let (entry, place) = found
      let (count, _, root, bytes) = try row.decode(
        Int32.self, Int64.self, [UInt8].self, [UInt8].self)
      let id = DecisionID(log: entry.log, leaf: entry.leaf)
      guard let root = TreeHash(root),
        let record = LogRecord(
          try batches.record(id, in: place.batch, of: Int(count)) ?? bytes),
        record.id == id
      else {
        throw StoreError.unreadable("a decision record")
      }
      let receipt = LogReceipt(
        treeSize: place.batch + UInt64(clamping: count), root: root, epoch: try row.unsigned(1))
      return LoggedDecision(id: id, entry: record.entry, head: record.head, receipt: receipt)
    }
  }

  /// Those whose records are told by their differences come whole, with the first of their rows.
  private struct BatchesReadHere {
    struct Place: Hashable {
      var log: ID<DecisionLog>
      var firstLeaf: UInt64
    }

    private var forms: [Place: [UInt8]] = [:]
    /// Entries of one batch are mostly next to each other, so one is kept taken apart.
    private var last: (place: Place, records: [ArraySlice<UInt8>])?

    mutating func keep(_ bytes: [UInt8], of log: ID<DecisionLog>, _ firstLeaf: UInt64) {
      guard DeltaForm.isForm(of: bytes) else { return }
      forms[Place(log: log, firstLeaf: firstLeaf)] = bytes
    }

    /// - Returns: `nil` of a batch that did not come whole.
    mutating func record(
      _ id: DecisionID, in firstLeaf: UInt64, of count: Int
    ) throws -> [UInt8]? {
      let place = Place(log: id.log, firstLeaf: firstLeaf)
      guard let form = forms[place] else { return nil }
      if last?.place != place {
        guard let records = PackedRecords.split(form, count: count) else {
          throw StoreError.unreadable("the records of a batch of decisions")
        }
        last = (place, records)
      }
      guard let last, id.leaf >= firstLeaf, let index = Int(exactly: id.leaf - firstLeaf),
        last.records.indices.contains(index)
      else { throw StoreError.unreadable("a decision record") }
      return Array(last.records[index])
    }
  }

  private struct Stretch {
    var firstLeaf: UInt64
    var places: [LookupPlace]
  }

  private static func places(
    _ entries: ArraySlice<LookupEntry>, _ organization: OrganizationID,
    _ connection: PostgresConnection
  ) throws -> [LookupPlace] {
    let rows = try connection.execute(
      .placesLookedUp, organization, entries.map(\.log), entries.map { try column($0.leaf) }
    ).rows
    var stretches: [ID<DecisionLog>: [Stretch]] = [:]
    for row in rows {
      let log = try row.get(0, as: ID<DecisionLog>.self)
      let row = LookupPlaces(log: log, firstLeaf: try row.unsigned(1), bytes: try row.get(2))
      guard let places = row.places() else {
        throw StoreError.unreadable("the places of decision records")
      }
      stretches[log, default: []].append(Stretch(firstLeaf: row.firstLeaf, places: places))
    }
    return try entries.map { entry in
      // In order, so the last that begins at or before the leaf is it.
      let stretch = stretches[entry.log]?.last { $0.firstLeaf <= entry.leaf }
      guard let stretch, let index = Int(exactly: entry.leaf - stretch.firstLeaf),
        stretch.places.indices.contains(index)
      else { throw StoreError.unreadable("the place of a decision record is missing") }
      return stretch.places[index]
    }
  }
}

extension PostgresStatement {
  fileprivate static let runs = PostgresStatement(
    name: "runs",
    sql: """
      SELECT run_id, decided_from FROM decision_run
      WHERE organization_id = $1 AND decided_until >= $2 AND decided_from < $3
      ORDER BY decided_from, run_id
      """)
  /// Of each run two pages at most. The second may be followed by others.
  fileprivate static let pagesLookedUp = PostgresStatement(
    name: "pages_looked_up",
    sql: """
      SELECT found.key, found.decided_from, found.entries, found.number, asked.run_id, found.is_first
      FROM unnest($2::uuid[]) AS asked (run_id)
      CROSS JOIN LATERAL (
        (SELECT key, decided_from, entries, number, false AS is_first FROM decision_run_page
        WHERE organization_id = $1 AND run_id = asked.run_id AND (key, decided_from) < ($3, $4)
        ORDER BY key DESC, decided_from DESC, number DESC LIMIT 1)
        UNION ALL
        (SELECT key, decided_from, entries, number, true FROM decision_run_page
        WHERE organization_id = $1 AND run_id = asked.run_id AND key = $3
          AND decided_from >= $4 AND decided_from < $5
        ORDER BY decided_from, number LIMIT 1)) found
      """)
  fileprivate static let furtherPagesLookedUp = PostgresStatement(
    name: "further_pages_looked_up",
    sql: """
      SELECT key, decided_from, entries, number FROM decision_run_page
      WHERE organization_id = $1 AND run_id = $2 AND key = $3
        AND (decided_from, number) > ($4, $5) AND decided_from < $6
      ORDER BY decided_from, number LIMIT $7
      """)
  /// Each stretch once, in order, whatever of it is asked for.
  fileprivate static let placesLookedUp = PostgresStatement(
    name: "places_looked_up",
    sql: """
      SELECT p.log_id, p.first_leaf, p.places
      FROM (
        SELECT DISTINCT a.log_id, found.first_leaf
        FROM unnest($2::uuid[], $3::bigint[]) AS a (log_id, leaf)
        CROSS JOIN LATERAL (
          SELECT first_leaf FROM decision_place
          WHERE organization_id = $1 AND log_id = a.log_id AND first_leaf <= a.leaf
          ORDER BY first_leaf DESC LIMIT 1) found) stretch
      JOIN decision_place p ON p.organization_id = $1 AND p.log_id = stretch.log_id
        AND p.first_leaf = stretch.first_leaf
      ORDER BY p.log_id, p.first_leaf
      """)
  /// In the order asked for. Records told by their differences (`DeltaForm`) come with their whole
  /// batch, in the first of its rows. A batch of which several are asked for is decompressed once:
  /// OFFSET 0 and the arrays that go through it keep it to one look-up a batch.
  fileprivate static let recordsLookedUp = PostgresStatement(
    name: "records_looked_up",
    sql: """
      SELECT b.count, b.epoch, b.root, CASE
        WHEN NOT b.is_whole THEN substr(b.records, a.start + 1, a.length)
        WHEN a.number = 1 THEN b.records ELSE '' END
      FROM (
        SELECT log_id, first_leaf, array_agg(start) AS starts, array_agg(length) AS lengths,
          array_agg(place) AS places, count(*) AS asked
        FROM unnest($2::uuid[], $3::bigint[], $4::int[], $5::int[])
          WITH ORDINALITY AS each (log_id, first_leaf, start, length, place)
        GROUP BY log_id, first_leaf) batch
      CROSS JOIN LATERAL (
        SELECT count, epoch, root, batch.starts, batch.lengths, batch.places,
          substr(records, 1, 1) >= '\\x80' AS is_whole,
          CASE WHEN batch.asked > 1 THEN records || ''::bytea ELSE records END AS records
        FROM proof_log_batch
        WHERE organization_id = $1 AND log_id = batch.log_id AND first_leaf = batch.first_leaf
        OFFSET 0) b
      CROSS JOIN LATERAL unnest(b.starts, b.lengths, b.places)
        WITH ORDINALITY AS a (start, length, place, number)
      ORDER BY a.place
      """)
}
