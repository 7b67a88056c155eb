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
        try LookupExtension(organization, atMost: most, options: options).run(connection)
      }
    } catch {
      throw StoreFailure.public(error)
    }
  }
}

/// One transaction of the look-up: rows for the next leaves of some logs, and where these now stand.
///
/// INVARIANT: rows and progress are one commit. The progress row is locked from the moment it is
/// read, so that each leaf is looked up by one transaction; a leaf that is looked up again all the
/// same, as after an administrator has set `leaves` back, adds what is missing and nothing twice.
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
        Claim(
          log: try row.get(0),
          tree: try MerkleTree(size: row.unsigned(1), frontier: row.get(2, as: [UInt8].self)),
          isOfOneChange: try row.get(3, as: Int16.self) == LogState.Kind.change.rawValue)
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
    var rows: [LookupRow] = []
    var subtrees: [Subtree] = []

    var decisions: Int { Int(clamping: tree.size - claim.tree.size) }
  }

  private struct Subtree {
    var log: ID<DecisionLog>
    var level: Int16
    var number: Int64
    var root: TreeHash
  }

  private func extend(_ claims: [Claim], _ connection: PostgresConnection) throws -> Int {
    let steps = try claims.map { claim in
      try step(claim, atMost: max(1, most / claims.count), connection)
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
    // In the order of the primary key: neighbours share a page.
    let rows = steps.flatMap(\.rows).sorted { ($0.key, $0.from) < ($1.key, $1.from) }
    let subtrees = steps.flatMap(\.subtrees)
    let results = try connection.pipeline { pipeline in
      try pipeline.execute(
        .addLookup, organization, rows.map(\.key), rows.map(\.from), rows.map(\.log),
        rows.map { try column($0.firstLeaf) }, rows.map(\.bytes))
      guard !subtrees.isEmpty else { return }
      try pipeline.execute(
        .addSubtrees, organization, subtrees.map(\.log), subtrees.map(\.level),
        subtrees.map(\.number), subtrees.map(\.root.bytes))
    }
    if let failure = results.firstFailure { throw failure }
    let decisions = steps.reduce(0) { $0 + $1.decisions }
    if options.isBroken(.movesOnFirst) { return decisions }
    try options.reachLookup(.betweenRowsAndProgress)
    try advance(steps, connection)
    try options.reachLookup(.beforeCommit)
    return decisions
  }

  /// Reads batches from the first leaf that is not looked up; at least one.
  ///
  /// The records are hashed on the way, for the roots of subtrees, so a record that is not what was
  /// logged is noticed here: nothing of its batch is looked up then, and the reason told.
  private func step(
    _ claim: Claim, atMost most: Int, _ connection: PostgresConnection
  ) throws -> Step {
    var step = Step(claim: claim, tree: claim.tree)
    step.hasEnded = claim.isOfOneChange
    var entries = LookupEntries()
    let batches = try connection.execute(
      .batchesToLookUp, organization, claim.log, column(claim.tree.size)
    ).rows
    for row in batches {
      let batch = try PackedBatch(row)
      guard batch.count > 0 else {
        // The leaf was claimed: no decision follows.
        step.hasEnded = true
        break
      }
      guard batch.firstLeaf == step.tree.size else {
        throw StoreError.unreadable("a leaf of a log is missing")
      }
      try entries.append(batch, options)
      for record in try batch.split() {
        step.tree.append(.leaf(record)) { level, number, root in
          guard level >= SubtreeRoots.lowest, let number = Int64(exactly: number) else { return }
          step.subtrees.append(
            Subtree(
              log: claim.log, level: Int16(truncatingIfNeeded: level), number: number, root: root))
        }
      }
      guard step.tree.root == batch.receipt.root else {
        throw StoreError.unreadable(
          "the records of log \(claim.log) up to leaf \(step.tree.size) do not give its root")
      }
      if step.decisions >= most { break }
    }
    step.rows = entries.rows
    return step
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

/// What is found in a stretch of one log, by key.
struct LookupEntries {
  private var byKey: [ID<LookupKey>: [LookupEntry]] = [:]

  var rows: [LookupRow] { byKey.flatMap { LookupRow.rows($0.key, $0.value) } }

  mutating func append(_ batch: PackedBatch, _ options: PostgresConsentStore.Options) throws {
    let records = try batch.split()
    for (logged, record) in zip(try batch.decisions(), records) {
      let entry = LookupEntry(
        log: batch.log, leaf: logged.id.leaf, batch: batch.firstLeaf, offset: record.startIndex,
        length: record.count, at: logged.entry.decision.at,
        position: logged.entry.decision.position,
        isPermit: logged.entry.decision.effect == .permit,
        isUse: logged.entry.request.intent == .use)
      var isFirst = true
      logged.entry.lookupKeys { key in
        defer { isFirst = false }
        if options.isBroken(.knowsFirstKeyOnly), !isFirst { return }
        // What names the same thing twice is there once.
        guard byKey[key]?.last?.leaf != entry.leaf else { return }
        byKey[key, default: []].append(entry)
      }
    }
  }
}

private let lookupPageSize = 500

extension PostgresStatement {
  /// By organization: decisions behind, and when the oldest was recorded. Leaves are dense, so two
  /// looks at a log tell it, however far it is behind.
  fileprivate static let lookupBacklog = PostgresStatement(
    name: "lookup_backlog",
    sql: """
      SELECT p.organization_id, sum(GREATEST(last.leaves - p.leaves, 0))::bigint,
        min(next.recorded) FILTER (WHERE next.count > 0), bool_or(next.count IS NOT NULL)
      FROM decision_lookup_progress p
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
  fileprivate static let commitWithoutWaiting = PostgresStatement(
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
  /// At least one row, then as many as stay within 4 MB.
  fileprivate static let batchesToLookUp = PostgresStatement(
    name: "batches_to_look_up",
    sql: """
      SELECT b.log_id, b.first_leaf, b.count, b.epoch, b.root, b.records, b.decided_from
      FROM (
        SELECT first_leaf, sum(size) OVER (ORDER BY first_leaf) - size AS before
        FROM (
          SELECT first_leaf, octet_length(records) AS size FROM proof_log_batch
          WHERE organization_id = $1 AND log_id = $2 AND first_leaf >= $3
          ORDER BY first_leaf LIMIT \(lookupPageSize)
        ) page
      ) sized
      JOIN proof_log_batch b
        ON b.organization_id = $1 AND b.log_id = $2 AND b.first_leaf = sized.first_leaf
      WHERE sized.before < 4194304
      ORDER BY b.first_leaf
      """)
  fileprivate static let addLookup = PostgresStatement(
    name: "add_lookup",
    sql: """
      INSERT INTO decision_lookup
        (organization_id, key, decided_from, log_id, first_leaf, entries)
      SELECT $1, * FROM unnest($2::uuid[], $3::timestamptz[], $4::uuid[], $5::bigint[], $6::bytea[])
      ON CONFLICT DO NOTHING
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
