internal import ConsentCore
internal import Postgres

/// One transaction of the look-up: sixteen runs of one level become one.
///
/// INVARIANT: the new run is there when the old ones are not, and holds what they held. They are
/// locked from the moment they are chosen, so that each is merged once.
struct LookupMerge {
  private let organization: OrganizationID
  private let options: PostgresConsentStore.Options

  private var shape: LookupShape { options.lookupShape }

  init(_ organization: OrganizationID, options: PostgresConsentStore.Options) {
    self.organization = organization
    self.options = options
  }

  /// - Returns: `false` when there is nothing to merge, or another node does it.
  func run(_ connection: PostgresConnection) throws -> Bool {
    try connection.transaction(isolation: .readCommitted) { connection in
      let results = try connection.pipeline { pipeline in
        _ = try TransactionEntry.enter(&pipeline, organization)
        try pipeline.execute(.commitWithoutWaiting)
        try pipeline.execute(
          .claimRuns, organization, shape.lastLevel, Int64(shape.fanOut))
      }
      try TransactionEntry.checkEntered(results.result(0))
      _ = try results.result(1)
      let runs = try results.result(2).rows.map { try LookupRun($0) }
      guard runs.count == shape.fanOut, let merged = LookupRun(merging: runs, shape) else {
        return false
      }
      try merge(runs, into: merged, connection)
      try options.reachLookup(.mergedRuns)
      let ended = try connection.pipeline { pipeline in
        try pipeline.execute(.removePages, organization, runs.map(\.id))
        try pipeline.execute(.removeRuns, organization, runs.map(\.id))
      }
      if let failure = ended.firstFailure { throw failure }
      return true
    }
  }

  private func merge(
    _ runs: [LookupRun], into merged: LookupRun, _ connection: PostgresConnection
  ) throws {
    let runs = options.isBroken(.losesRunInMerge) ? Array(runs.dropLast()) : runs
    var sources: [RunReader] = []
    for run in runs {
      var source = RunReader(connection, organization, run.id)
      if try source.advance() { sources.append(source) }
    }
    var writer = LookupPage.Writer(mostBytes: shape.pageBytes)
    var written = 0
    func write(_ pages: [LookupPage], withRun: Bool = false) throws {
      let results = try connection.pipeline { pipeline in
        if withRun { try merged.insert(into: &pipeline, organization) }
        try merged.insert(pages, from: written, into: &pipeline, organization)
      }
      if let failure = results.firstFailure { throw failure }
      written += pages.count
    }
    while !sources.isEmpty {
      var first = 0
      for index in sources.indices.dropFirst()
      where sources[index].head.isSorted(before: sources[first].head) {
        first = index
      }
      writer.add(sources[first].head)
      if try !sources[first].advance() { sources.remove(at: first) }
      if writer.pages.count >= 256 { try write(writer.take(end: false)) }
    }
    try write(writer.take(end: true), withRun: true)
  }
}

/// The entries of one run in order, some pages in memory.
private struct RunReader {
  private let connection: PostgresConnection
  private let organization: OrganizationID
  private let run: ID<LookupRun>
  private var after = (key: Int64.min, from: Instant.distantPast, number: Int32(-1))
  private var pages: ArraySlice<LookupPage> = []
  private var entries: [LookupEntry] = []
  private var next = 0
  private var isAtEnd = false

  init(
    _ connection: PostgresConnection, _ organization: OrganizationID, _ run: ID<LookupRun>
  ) {
    self.connection = connection
    self.organization = organization
    self.run = run
  }

  /// Only after `advance` has returned `true`.
  var head: LookupEntry { entries[next - 1] }

  /// - Returns: `false` if there are no more.
  mutating func advance() throws -> Bool {
    while next == entries.count {
      if pages.isEmpty {
        guard !isAtEnd else { return false }
        try readPages()
        continue
      }
      guard let page = pages.popFirst(), let read = page.entries() else {
        throw LookupPage.unreadable
      }
      entries = read
      next = 0
    }
    next += 1
    return true
  }

  private mutating func readPages() throws {
    let rows = try connection.execute(
      .pagesOfRun, organization, run, after.key, after.from, after.number, Self.pagesAtOnce
    ).rows
    pages = try rows.map { row in
      after = (try row.get(0), try row.get(1), try row.get(3))
      return LookupPage(word: after.key, from: after.from, bytes: try row.get(2))
    }[...]
    isAtEnd = rows.count < Self.pagesAtOnce
  }

  private static let pagesAtOnce: Int64 = 64
}

extension LookupPage {
  static let unreadable = StoreError.unreadable("a page of the look-up of decisions")
}

extension LookupRun {
  /// From the columns run_id, level, decisions, decided_from and decided_until.
  fileprivate init(_ row: PostgresRow) throws {
    (id, level, decisions, from, until) = try row.decode(
      ID<LookupRun>.self, Int16.self, Int64.self, Instant.self, Instant.self)
  }
}

extension PostgresStatement {
  /// The oldest of a level that has enough of them: runs that are next to each other in time, so that
  /// a question about a period needs few. What another node merges is passed over.
  fileprivate static let claimRuns = PostgresStatement(
    name: "claim_runs",
    sql: """
      SELECT run_id, level, decisions, decided_from, decided_until FROM decision_run
      WHERE organization_id = $1 AND level = (
        SELECT level FROM decision_run WHERE organization_id = $1 AND level < $2
        GROUP BY level HAVING count(*) >= $3 ORDER BY level LIMIT 1)
      ORDER BY decided_from, run_id LIMIT $3 FOR UPDATE SKIP LOCKED
      """)
  fileprivate static let pagesOfRun = PostgresStatement(
    name: "pages_of_run",
    sql: """
      SELECT key, decided_from, entries, number FROM decision_run_page
      WHERE organization_id = $1 AND run_id = $2 AND (key, decided_from, number) > ($3, $4, $5)
      ORDER BY key, decided_from, number LIMIT $6
      """)
  fileprivate static let removePages = PostgresStatement(
    name: "remove_run_pages",
    sql: "DELETE FROM decision_run_page WHERE organization_id = $1 AND run_id = ANY ($2::uuid[])")
  fileprivate static let removeRuns = PostgresStatement(
    name: "remove_runs",
    sql: "DELETE FROM decision_run WHERE organization_id = $1 AND run_id = ANY ($2::uuid[])")
}
