public import ConsentCore
internal import Postgres
internal import ProofLog

extension PostgresConsentStore: DecisionLookup {
  public func lookupBacklog(of organizations: [OrganizationID]) async throws -> [LookupBacklog] {
    let list = "{" + organizations.map(\.description).joined(separator: ",") + "}"
    do {
      return try await lookups.read(deadline: .now + options.readTimeout) { connection in
        let results = try connection.pipeline { pipeline in
          try pipeline.execute(.enter, list)
          try pipeline.execute(.lookupBacklog)
        }
        try TransactionEntry.checkEntered(results.result(0))
        return try results.result(1).rows.map { row in
          LookupBacklog(
            organization: try row.get(0), decisions: try row.unsigned(1),
            oldest: try row.get(2), isDue: try row.get(3))
        }
      }
    } catch {
      throw StoreFailure.public(error)
    }
  }

  public func extendLookup(
    of organization: OrganizationID, atMost most: Int
  ) async throws -> Int {
    do {
      return try await lookups.run { [options] connection in
        let done = try LookupExtension(organization, atMost: most, options: options)
          .run(connection)
        if done > 0 {
          let merge = LookupMerge(organization, options: options)
          while try merge.run(connection) {}
        }
        return done
      }
    } catch {
      throw StoreFailure.public(error)
    }
  }
}

/// One transaction of the look-up: a run of the next leaves of some logs, and where these now stand.
///
/// INVARIANT: the run and the progress are one commit. The progress row is locked from the moment it
/// is read, so that each leaf is looked up by one transaction; where an administrator has set
/// `leaves` back and left what was looked up, the key of its places refuses to do it twice.
struct LookupExtension {
  private let organization: OrganizationID
  private let most: Int
  private let options: PostgresConsentStore.Options

  /// Logs in one transaction. A node writes one for each organization, and each change that logs
  /// decisions has its own; those last are short.
  private static let logLimit = 64

  init(_ organization: OrganizationID, atMost most: Int, options: PostgresConsentStore.Options) {
    self.organization = organization
    self.most = most
    self.options = options
  }

  private struct Claim {
    var log: ID<DecisionLog>
    /// As far as it is looked up.
    var tree: MerkleTree
    /// Nothing follows what can be seen of it.
    var isOfOneChange: Bool
    /// It holds no decisions: only its tree is followed.
    var isActivity: Bool
  }

  func run(_ connection: PostgresConnection) throws -> Int {
    try connection.transaction(isolation: .readCommitted) { connection in
      let results = try connection.pipeline { pipeline in
        _ = try TransactionEntry.enter(&pipeline, organization)
        try pipeline.execute(.commitWithoutWaiting)
        try pipeline.execute(.claimLookup, organization, Int64(Self.logLimit))
      }
      try TransactionEntry.checkEntered(results.result(0))
      _ = try results.result(1)
      let claims = try results.result(2).rows.map { row in
        let kind: Int16 = try row.get(3)
        return Claim(
          log: try row.get(0),
          tree: try MerkleTree(size: row.unsigned(1), frontier: row.get(2, as: [UInt8].self)),
          isOfOneChange: kind == LogState.Kind.change.rawValue,
          isActivity: kind == LogState.Kind.activity.rawValue)
      }
      guard !claims.isEmpty else { return 0 }
      return try extend(claims, connection)
    }
  }

  /// Where a log stands after this transaction.
  private struct Step {
    var claim: Claim
    var tree: MerkleTree
    var hasEnded = false
    var subtrees: [Subtree] = []

    var leaves: Int { Int(clamping: tree.size - claim.tree.size) }
    var decisions: Int { claim.isActivity ? 0 : leaves }
  }

  private struct Subtree {
    var log: ID<DecisionLog>
    var level: Int16
    var number: Int64
    var root: TreeHash
  }

  private func extend(_ claims: [Claim], _ connection: PostgresConnection) throws -> Int {
    var gathering = LookupGathering()
    let steps = try claims.map { claim in
      try step(claim, atMost: max(1, most / claims.count), &gathering, connection)
    }
    try options.reachLookup(.readRecords)
    if options.isBroken(.movesOnFirst) {
      try advance(steps, connection)
      try connection.commit()
      try options.reachLookup(.betweenRowsAndProgress)
      try connection.begin(isolation: .readCommitted)
      let results = try connection.pipeline {
        _ = try TransactionEntry.enter(&$0, organization)
      }
      try TransactionEntry.checkEntered(results.result(0))
    }
    let places = gathering.places.filter { !$0.bytes.isEmpty }
    let found = gathering.finish(options.lookupShape)
    let subtrees = steps.flatMap(\.subtrees)
    let results = try connection.pipeline { pipeline in
      if let found {
        try found.run.insert(into: &pipeline, organization)
        try found.run.insert(found.pages, from: 0, into: &pipeline, organization)
        try pipeline.execute(
          .addPlaces, organization, places.map(\.log), places.map { try column($0.firstLeaf) },
          places.map(\.bytes))
      }
      guard !subtrees.isEmpty else { return }
      try pipeline.execute(
        .addSubtrees, organization, subtrees.map(\.log), subtrees.map(\.level),
        subtrees.map(\.number), subtrees.map(\.root.bytes))
    }
    if let failure = results.firstFailure {
      // Somebody has set the progress back and left what was looked up.
      guard failure.isUniqueViolation("decision_place_pkey") else { throw failure }
      throw StoreError.unreadable("a leaf is to be looked up that is looked up already")
    }
    let decisions = steps.reduce(0) { $0 + $1.decisions }
    if options.isBroken(.movesOnFirst) { return decisions }
    try options.reachLookup(.betweenRowsAndProgress)
    try advance(steps, connection)
    try options.reachLookup(.beforeCommit)
    return decisions
  }

  /// Reads batches from the first leaf that is not looked up; at least one.
  private func step(
    _ claim: Claim, atMost most: Int, _ gathering: inout LookupGathering,
    _ connection: PostgresConnection
  ) throws -> Step {
    var step = Step(claim: claim, tree: claim.tree)
    step.hasEnded = claim.isOfOneChange
    if !claim.isActivity { gathering.begin(claim.log, at: claim.tree.size) }
    var mayFollow = true
    while mayFollow {
      let page = try connection.execute(
        .batchesToLookUp, organization, claim.log, column(step.tree.size))
      var bytes = 0
      for row in page.rows {
        let batch = try PackedBatch(row)
        guard batch.count > 0 else {
          // The leaf was claimed: no decision follows.
          step.hasEnded = true
          return step
        }
        bytes += try take(batch, &step, &gathering)
        if step.leaves >= most { return step }
      }
      mayFollow = bytes >= lookupPageBytes || page.rowCount == lookupPageSize
    }
    return step
  }

  /// The records are hashed on the way, for the roots of subtrees, so a record that is not what was
  /// logged is noticed here: nothing of the transaction is then looked up, and the reason told.
  /// - Returns: the size of the records.
  private func take(
    _ batch: PackedBatch, _ step: inout Step, _ gathering: inout LookupGathering
  ) throws -> Int {
    guard batch.firstLeaf == step.tree.size else {
      throw StoreError.unreadable("a leaf of a log is missing")
    }
    let records = try batch.split()
    var keys: [LookupKey] = []
    for record in records {
      keys.removeAll(keepingCapacity: true)
      let id = DecisionID(log: batch.log, leaf: step.tree.size)
      if step.claim.isActivity {
        guard LogRecord.placedKind(record, organization: organization, id).map({ $0 > 1 }) == true
        else { throw StoreError.unreadable("a record of an activity log") }
      } else {
        guard let fields = LogRecordFields(record.span, keys: &keys), fields.id == id else {
          throw StoreError.unreadable("a decision record")
        }
        gathering.add(fields, options.isBroken(.knowsFirstKeyOnly) ? Array(keys.prefix(1)) : keys)
      }
      step.tree.append(.leaf(record)) { level, number, root in
        guard level >= SubtreeRoots.lowest, let number = Int64(exactly: number) else { return }
        step.subtrees.append(
          Subtree(
            log: batch.log, level: Int16(truncatingIfNeeded: level), number: number, root: root))
      }
    }
    if !step.claim.isActivity {
      gathering.endBatch(first: batch.firstLeaf, lengths: records.map(\.count))
    }
    guard step.tree.root == batch.receipt.root else {
      throw StoreError.unreadable(
        "the records of log \(batch.log) up to leaf \(step.tree.size) do not give its root")
    }
    return records.last?.endIndex ?? 0
  }

  private func advance(_ steps: [Step], _ connection: PostgresConnection) throws {
    let results = try connection.pipeline { pipeline in
      for step in steps {
        try pipeline.execute(
          .advanceLookup, organization, step.claim.log, column(step.tree.size),
          step.tree.frontier.flatMap(\.bytes), step.hasEnded)
      }
    }
    if let failure = results.firstFailure { throw failure }
  }
}

extension MerkleTree {
  /// From the roots of its largest complete subtrees one after the other, as they are kept.
  init(size: UInt64, frontier bytes: [UInt8]) throws {
    let frontier = stride(from: 0, to: bytes.count, by: TreeHash.byteCount).compactMap { start in
      TreeHash(bytes[start..<min(start + TreeHash.byteCount, bytes.count)])
    }
    guard let tree = MerkleTree(size: size, frontier: frontier) else {
      throw StoreError.unreadable("how far a log is looked up")
    }
    self = tree
  }
}

extension LookupRun {
  func insert(into pipeline: inout PostgresPipeline, _ organization: OrganizationID) throws {
    try pipeline.execute(.addRun, organization, id, level, decisions, from, until)
  }

  /// - Parameter number: of the first of the pages in this run.
  func insert(
    _ pages: [LookupPage], from number: Int, into pipeline: inout PostgresPipeline,
    _ organization: OrganizationID
  ) throws {
    try pipeline.execute(
      .addPages, organization, id, pages.map(\.word), pages.map(\.from),
      pages.indices.map { Int32(clamping: number + $0) }, pages.map(\.bytes))
  }
}

private let lookupPageSize = 500
private let lookupPageBytes = 4 << 20

extension PostgresStatement {
  /// By organization: decisions behind, and when the oldest was recorded. Leaves are dense, so two
  /// looks at a log tell it, however far it is behind.
  fileprivate static let lookupBacklog = PostgresStatement(
    name: "lookup_backlog",
    sql: """
      SELECT p.organization_id,
        COALESCE(sum(GREATEST(last.leaves - p.leaves, 0)) FILTER (WHERE l.kind <> 3), 0)::bigint,
        min(next.recorded) FILTER (WHERE next.count > 0 AND l.kind <> 3),
        bool_or(next.count IS NOT NULL)
      FROM decision_lookup_progress p
      JOIN proof_log l ON l.organization_id = p.organization_id AND l.log_id = p.log_id
      CROSS JOIN LATERAL (
        SELECT first_leaf + count AS leaves FROM proof_log_batch
        WHERE organization_id = p.organization_id AND log_id = p.log_id
        ORDER BY first_leaf DESC LIMIT 1) last
      LEFT JOIN LATERAL (
        SELECT recorded, count FROM proof_log_batch
        WHERE organization_id = p.organization_id AND log_id = p.log_id AND first_leaf >= p.leaves
        ORDER BY first_leaf LIMIT 1) next ON true
      WHERE NOT p.is_whole
      GROUP BY p.organization_id ORDER BY p.organization_id
      """)
  /// What is lost in a crash, rows and progress alike, is looked up again.
  static let commitWithoutWaiting = PostgresStatement(
    name: "commit_without_waiting",
    sql: "SELECT pg_catalog.set_config('synchronous_commit', 'off', true)")
  /// Locks what is claimed; what another node works on is passed over.
  fileprivate static let claimLookup = PostgresStatement(
    name: "claim_lookup",
    sql: """
      SELECT p.log_id, p.leaves, p.frontier, l.kind
      FROM decision_lookup_progress p
      JOIN proof_log l ON l.organization_id = p.organization_id AND l.log_id = p.log_id
      WHERE p.organization_id = $1 AND NOT p.is_whole AND EXISTS (
        SELECT FROM proof_log_batch b
        WHERE b.organization_id = p.organization_id AND b.log_id = p.log_id
          AND b.first_leaf >= p.leaves)
      LIMIT $2 FOR NO KEY UPDATE OF p SKIP LOCKED
      """)
  fileprivate static let batchesToLookUp = pageOfBatches(
    "batches_to_look_up", atMost: lookupPageSize, bytes: lookupPageBytes)
  fileprivate static let addRun = PostgresStatement(
    name: "add_run",
    sql: """
      INSERT INTO decision_run
        (organization_id, run_id, level, decisions, decided_from, decided_until)
      VALUES ($1, $2, $3, $4, $5, $6)
      """)
  fileprivate static let addPages = PostgresStatement(
    name: "add_run_pages",
    sql: """
      INSERT INTO decision_run_page (organization_id, run_id, key, decided_from, number, entries)
      SELECT $1, $2, * FROM unnest($3::bigint[], $4::timestamptz[], $5::int[], $6::bytea[])
      """)
  fileprivate static let addPlaces = PostgresStatement(
    name: "add_places",
    sql: """
      INSERT INTO decision_place (organization_id, log_id, first_leaf, places)
      SELECT $1, * FROM unnest($2::uuid[], $3::bigint[], $4::bytea[])
      """)
  fileprivate static let addSubtrees = PostgresStatement(
    name: "add_subtrees",
    sql: """
      INSERT INTO proof_log_subtree (organization_id, log_id, level, number, root)
      SELECT $1, * FROM unnest($2::uuid[], $3::smallint[], $4::bigint[], $5::bytea[])
      ON CONFLICT DO NOTHING
      """)
  fileprivate static let advanceLookup = PostgresStatement(
    name: "advance_lookup",
    sql: """
      UPDATE decision_lookup_progress
      SET leaves = $3, frontier = $4, is_whole = $5 AND NOT EXISTS (
        SELECT FROM proof_log_batch
        WHERE organization_id = $1 AND log_id = $2 AND first_leaf >= $3 AND count > 0)
      WHERE organization_id = $1 AND log_id = $2
      """)
}
