public import ConsentCore
internal import Postgres
internal import ProofLog

/// Closes the logs of nodes that died: fences them, reads them to their end, and signs that.
///
/// INVARIANT: whether a node is dead is a guess, and nothing rests on it. A log is fenced by taking
/// its next leaf, whose primary key lets one writer in: a node that was only paused, or lost its
/// sessions, finds the leaf taken, logs nothing there and begins a new log. Only a log that is
/// fenced is signed, so that no record can follow the one that was signed last.
extension PostgresConsentStore: LogCloser {
  public func closeDeadLogs(of organization: OrganizationID) async throws -> LogClosings {
    var closings = LogClosings()
    do {
      closings.fenced = try await lookups.run { [self] in try fenceDead(organization, $0) }
      guard let signer = options.logSigner else { return closings }
      for log in try await lookups.run({ try Self.fenced(organization, $0) }) {
        do {
          try await close(log, organization, signer)
          closings.closed.append(log)
        } catch StoreError.unreadable {
          // One that was tampered with keeps nobody from closing the others.
          closings.refused.append(log)
        }
      }
      return closings
    } catch {
      throw StoreFailure.public(error)
    }
  }

  private func fenceDead(
    _ organization: OrganizationID, _ connection: PostgresConnection
  ) throws -> [ID<DecisionLog>] {
    let dead = try connection.transaction(isolation: .readCommitted) { connection in
      let results = try connection.pipeline { pipeline in
        _ = try TransactionEntry.enter(&pipeline, organization)
        try pipeline.execute(
          .deadLogs, organization, keys.run.text, options.isBroken(.takesAllForDead))
      }
      try TransactionEntry.checkEntered(results.result(0))
      return try results.result(1).rows.map { try $0.get(0, as: ID<DecisionLog>.self) }
    }
    // One a transaction: a leaf may be in the hands of a node that is not dead after all.
    return try dead.filter { log in
      try connection.transaction(isolation: .readCommitted) { connection in
        let entry = try TransactionEntry.read(connection, organization)
        let claim: ID<Record> = Self.randomID()
        return try connection.execute(
          .fenceLog, organization, log, claim, column(entry.head.position), entry.head.chain,
          max(clock.now(), entry.head.known), !options.isBroken(.leavesLeafFree)
        ).rowCount == 1
      }
    }
  }

  /// Those that were fenced and whose ends are not signed yet.
  private static func fenced(
    _ organization: OrganizationID, _ connection: PostgresConnection
  ) throws -> [ID<DecisionLog>] {
    try connection.transaction(isolation: .readCommitted) { connection in
      let results = try connection.pipeline { pipeline in
        _ = try TransactionEntry.enter(&pipeline, organization)
        try pipeline.execute(.logsToClose, organization)
      }
      try TransactionEntry.checkEntered(results.result(0))
      return try results.result(1).rows.map { try $0.get(0) }
    }
  }

  /// Leaves read in one transaction, so that none is long.
  private static let leavesAtOnce: UInt64 = 100_000

  private func close(
    _ log: ID<DecisionLog>, _ organization: OrganizationID, _ signer: LogSigner
  ) async throws {
    let summary = try await read(organization) { try $0.logs(.one(log)).first }
    guard let summary, summary.hasEnded || options.isBroken(.leavesLeafFree) else {
      throw StoreError.unreadable("a log that was fenced has not ended")
    }
    var tree = MerkleTree()
    while tree.size < summary.size {
      let before = tree
      let end = before.size + min(Self.leavesAtOnce, summary.size - before.size)
      tree = try await read(organization) { reader in
        try Self.extend(before, to: end, of: summary, organization, reader)
      }
    }
    guard tree.root == summary.root else {
      throw StoreError.unreadable("the records of a log do not give its root")
    }
    let ownSize = summary.signed?.size ?? 0
    let checkpoint = LogClosing.checkpoint(
      organization: organization, log: log, size: tree.size, root: tree.root, ownSize: ownSize)
    let closing = LogClosing(
      size: tree.size, root: tree.root, ownSize: ownSize, verifierKey: signer.verifierKey,
      signature: try signer.signature(of: checkpoint.text))
    try await lookups.run { [clock] connection in
      try connection.transaction(isolation: .readCommitted) { connection in
        let results = try connection.pipeline { pipeline in
          _ = try TransactionEntry.enter(&pipeline, organization)
          try pipeline.execute(
            .closeLog, organization, log, column(closing.size), closing.root.bytes,
            column(closing.ownSize), closing.verifierKey.text, closing.signature, clock.now())
        }
        try TransactionEntry.checkEntered(results.result(0))
        if let failure = results.firstFailure { throw failure }
      }
    }
  }

  /// Appends the records of whole batches, comparing each batch's root, and the root that the log's
  /// own node signed with its signature.
  private static func extend(
    _ before: MerkleTree, to end: UInt64, of log: LogSummary, _ organization: OrganizationID,
    _ reader: any LogReader
  ) throws -> MerkleTree {
    var tree = before
    try reader.batches(of: log.id, before.size..<end) { batch in
      guard batch.firstLeaf == tree.size else {
        throw StoreError.unreadable("a leaf of a log is missing")
      }
      for bytes in batch.records {
        let id = DecisionID(log: log.id, leaf: tree.size)
        guard LogRecord.placedKind(bytes, organization: organization, id) != nil,
          tree.append(.leaf(bytes))
        else { throw StoreError.unreadable("a record of a log is of another place") }
      }
      guard tree.root == batch.root else {
        throw StoreError.unreadable("the records of a log do not give its root")
      }
      guard let signed = log.signed, signed.size == tree.size else { return }
      let checkpoint = Checkpoint(
        organization: organization, log: log.id, size: tree.size, root: tree.root)
      guard signed.root == tree.root,
        log.verifierKey?.isValid(signed.signature, for: Array(checkpoint.text.utf8)) == true
      else { throw StoreError.unreadable("the signature of a log does not hold") }
    }
    return tree
  }
}

extension PostgresStatement {
  /// Those whose process has no session: the first half of a log's id is its process's
  /// (`NodeRun`), which is the end of the name of each of its sessions.
  fileprivate static let deadLogs = PostgresStatement(
    name: "dead_logs",
    sql: """
      SELECT p.log_id
      FROM decision_lookup_progress p
      JOIN proof_log l ON l.organization_id = p.organization_id AND l.log_id = p.log_id
      CROSS JOIN LATERAL (
        SELECT substr(replace(p.log_id::text, '-', ''), 1, 16) AS run OFFSET 0) writer
      WHERE p.organization_id = $1 AND NOT p.is_whole AND l.kind <> 2 AND writer.run <> $2
        AND ($3 OR NOT EXISTS (
          SELECT FROM pg_catalog.pg_stat_activity a
          WHERE a.datname = pg_catalog.current_database()
            AND right(a.application_name, 16) = writer.run))
        AND NOT EXISTS (
          SELECT FROM proof_log_fence f
          WHERE f.organization_id = p.organization_id AND f.log_id = p.log_id)
      LIMIT 64
      """)
  /// Takes the next leaf, as the log's next writer, and keeps that it did.
  fileprivate static let fenceLog = PostgresStatement(
    name: "fence_proof_log",
    sql: """
      WITH last AS MATERIALIZED (
        SELECT first_leaf + count AS size, count, epoch, root FROM proof_log_batch
        WHERE organization_id = $1 AND log_id = $2 ORDER BY first_leaf DESC LIMIT 1
      ), claim AS (
        INSERT INTO proof_log_batch
          (organization_id, log_id, first_leaf, count, epoch, root, batch_id, signature_before,
            position, chain, decided_from, decided_until, is_long, recorded, records)
        SELECT $1, $2, size, 0, epoch + 1, root, $3, '', $4, $5, $6, $6, false, $6, ''
        FROM last WHERE count > 0 AND $7
        ON CONFLICT DO NOTHING RETURNING first_leaf
      )
      INSERT INTO proof_log_fence (organization_id, log_id, size, fenced)
      SELECT $1, $2, size, $6 FROM last
      WHERE count > 0 AND (NOT $7 OR EXISTS (SELECT FROM claim))
      ON CONFLICT DO NOTHING RETURNING size
      """)
  fileprivate static let logsToClose = PostgresStatement(
    name: "proof_logs_to_close",
    sql: """
      SELECT log_id FROM proof_log_fence f
      WHERE organization_id = $1 AND NOT EXISTS (
        SELECT FROM proof_log_closing c
        WHERE c.organization_id = f.organization_id AND c.log_id = f.log_id)
      ORDER BY fenced, log_id LIMIT 64
      """)
  fileprivate static let closeLog = PostgresStatement(
    name: "close_proof_log",
    sql: """
      INSERT INTO proof_log_closing
        (organization_id, log_id, size, root, own_size, verifier_key, signature, closed)
      VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
      ON CONFLICT DO NOTHING
      """)
}
