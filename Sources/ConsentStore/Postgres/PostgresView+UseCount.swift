public import ConsentCore
internal import Postgres

extension PostgresView {
  /// Counts in one round trip what is looked up, and reads the rest where that is little. A caller
  /// who waits for the count of a revocation does not wait for a look-up that is behind, nor for
  /// a grant with a million uses: `isWhole` is then false.
  func countUses(
    under grants: Set<GrantID>, below position: UInt64?, notice: Instant
  ) throws -> UseCount {
    let filter = DecisionFilter(positionUntil: position, effect: .permit, usesOnly: true)
    let results = try connection.pipeline { pipeline in
      try Uses.ask(id, grants, in: &pipeline)
    }
    let rest = try NotLookedUp(results.result(0).single())
    var uses = Uses(grants: grants, filter: filter, notice: notice)
    try uses.add(lookedUp: results.result(1))
    if try results.result(2).single().get(0, as: Bool.self) {
      try uses.add(UnpackedDecisions(connection, id, filter))
    }
    if let rest {
      // A writer has no snapshot in which the two could be told apart.
      guard log == nil, rest.bytes <= Self.mostBytesToCount else {
        uses.count.isWhole = false
        return uses.count
      }
      try uses.add(PackedDecisions(connection, id, filter, .notLookedUp(from: rest.from)))
    }
    return uses.count
  }

  /// Some hundreds of records, which take about a millisecond.
  private static let mostBytesToCount: Int64 = 256 << 10
}

extension PostgresConsentStore {
  /// In one round trip if everything is looked up, as it mostly is.
  public func countUses(
    _ organization: OrganizationID, under grants: Set<GrantID>, below position: UInt64?,
    notice: Instant
  ) async throws -> UseCount {
    let counted: UseCount?
    do {
      counted = try await reads.run { connection in
        let results = try connection.pipelinedTransaction(
          isolation: .repeatableRead, readOnly: true
        ) { pipeline in
          _ = try TransactionEntry.enterWithKeptPlan(&pipeline, organization)
          try Uses.ask(organization, grants, in: &pipeline)
        }
        try TransactionEntry.checkEntered(results.result(0))
        let isAll =
          try PostgresView.NotLookedUp(results.result(1).single()) == nil
          && !results.result(3).single().get(0, as: Bool.self)
        guard isAll else { return nil }
        let filter = DecisionFilter(positionUntil: position, effect: .permit, usesOnly: true)
        var uses = Uses(grants: grants, filter: filter, notice: notice)
        try uses.add(lookedUp: results.result(2))
        return uses.count
      }
    } catch let error as PostgresError where error.isRetryable {
      counted = nil
    } catch {
      throw StoreFailure.public(error)
    }
    if let counted { return counted }
    return try await read(organization) { reader in
      try reader.countUses(under: grants, below: position, notice: notice)
    }
  }
}

/// Uses as they are counted.
private struct Uses {
  let grants: Set<GrantID>
  let filter: DecisionFilter
  let notice: Instant
  var count = UseCount()
  private let keys: [Int64: Set<LookupKey>]
  /// Of several grants one decision may rest on two.
  private var seen: Set<DecisionID> = []

  init(grants: Set<GrantID>, filter: DecisionFilter, notice: Instant) {
    self.grants = grants
    self.filter = filter
    self.notice = notice
    keys = Dictionary(grouping: grants.map { LookupKey($0) }) { $0.word }.mapValues { Set($0) }
  }

  /// Three statements: what is not looked up, what is, and whether there are decisions of the time
  /// before logs were packed.
  static func ask(
    _ organization: OrganizationID, _ grants: Set<GrantID>, in pipeline: inout PostgresPipeline
  ) throws {
    try pipeline.execute(.notLookedUp, organization)
    // Two grants with one word are in the same pages.
    try pipeline.execute(
      .lookedUpUses, organization, Set(grants.map { LookupKey($0).word }).sorted())
    try pipeline.execute(.hasUnpacked, organization)
  }

  /// A run has all grants in full, so that none is counted for another whose word is the same.
  mutating func add(lookedUp pages: PostgresResult) throws {
    for row in pages.rows {
      let (word, page) = try (row.get(0, as: Int64.self), LookupPage(row, from: 1))
      guard let entries = page.entries(of: word), let keys = keys[word] else {
        throw LookupPage.unreadable
      }
      for entry in entries where keys.contains(entry.key) && entry.mayMatch(filter) {
        add(DecisionID(log: entry.log, leaf: entry.leaf), at: entry.at)
      }
    }
    if pages.rowCount > usePageLimit { count.isWhole = false }
  }

  mutating func add(_ stream: some DecisionStream) throws {
    var stream = stream
    while let logged = try stream.pop() {
      let rests = logged.entry.decision.records.contains { record in
        record.part == .basis && record.grant.map(grants.contains) ?? false
      }
      if rests { add(logged.id, at: logged.entry.decision.at) }
    }
  }

  private mutating func add(_ id: DecisionID, at instant: Instant) {
    guard grants.count == 1 || seen.insert(id).inserted else { return }
    count.uses += 1
    if instant >= notice { count.afterNotice += 1 }
  }
}

/// Of 4 kB each.
private let usePageLimit = 1_000

extension PostgresStatement {
  /// Pages up to one more than the limit. A run at a time, each a look at one index whatever the
  /// planner knows of the table.
  fileprivate static let lookedUpUses = PostgresStatement(
    name: "looked_up_uses",
    sql: """
      SELECT asked.word, found.key, found.decided_from, found.entries
      FROM unnest($2::bigint[]) AS asked (word)
      CROSS JOIN decision_run r
      CROSS JOIN LATERAL (
        (SELECT key, decided_from, entries FROM decision_run_page
        WHERE organization_id = $1 AND run_id = r.run_id AND key < asked.word
        ORDER BY key DESC, decided_from DESC, number DESC LIMIT 1)
        UNION ALL
        (SELECT key, decided_from, entries FROM decision_run_page
        WHERE organization_id = $1 AND run_id = r.run_id AND key = asked.word
        LIMIT \(usePageLimit + 1))) found
      WHERE r.organization_id = $1
      LIMIT \(usePageLimit + 1)
      """)
  fileprivate static let hasUnpacked = PostgresStatement(
    name: "has_unpacked",
    sql: "SELECT EXISTS (SELECT FROM decision_log WHERE organization_id = $1)")
}
