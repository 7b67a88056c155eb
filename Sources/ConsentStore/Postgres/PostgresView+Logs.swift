internal import ConsentCore
internal import Postgres
internal import ProofLog

extension PostgresView {
  func logs(_ selection: LogSelection) throws -> [LogSummary] {
    let log: ID<DecisionLog>? = if case .one(let log) = selection { log } else { nil }
    return try connection.execute(.logs, id, log, selection == .all).rows.map { row in
      let (log, root, recorded, hasEnded) = try row.decode(
        ID<DecisionLog>.self, [UInt8].self, Instant.self, Bool.self)
      guard let root = TreeHash(root) else { throw StoreError.unreadable("the root of a log") }
      var summary = LogSummary(
        id: log, epoch: try row.unsigned(4), size: try row.unsigned(5), root: root,
        recorded: recorded, hasEnded: hasEnded)
      summary.kind = UInt8(clamping: try row.get(15, as: Int16.self))
      summary.verifierKey = VerifierKey(text: try row.get(6, as: String.self))
      let signature: [UInt8] = try row.get(7)
      summary.closing = try LogClosing(row, from: 10)
      if let own = keys.signed.state(of: log), own.tree.size <= summary.size {
        summary.signed = .init(size: own.tree.size, root: own.tree.root, signature: own.signature)
      } else if !signature.isEmpty, let before = TreeHash(try row.get(9, as: [UInt8].self)) {
        summary.signed = .init(size: try row.unsigned(8), root: before, signature: signature)
      }
      return summary
    }
  }

  /// Stored with the batch after it, or known to the process that signed it; else empty.
  func signature(of batch: PackedBatch) throws -> [UInt8] {
    if let own = keys.signed.state(of: batch.log), own.tree.size == batch.receipt.treeSize {
      return own.tree.root == batch.receipt.root ? own.signature : []
    }
    return try connection.execute(
      .signatureBefore, id, batch.log, column(batch.receipt.treeSize)
    ).first?.get(0) ?? []
  }

  func logRecord(_ id: DecisionID) throws -> [UInt8]? {
    guard let batch = try packedBatch(holding: id),
      let offset = Int(exactly: id.leaf - batch.firstLeaf)
    else { return nil }
    return Array(try batch.split()[offset])
  }

  func subtreeRoots(of log: ID<DecisionLog>) throws -> SubtreeRoots? {
    guard let row = try connection.execute(.lookedUpLeaves, id, log).first else { return nil }
    let connection = try self.connection
    return SubtreeRoots(leaves: try row.unsigned(0)) { [id] level, number in
      let row = try connection.execute(
        .subtreeRoot, id, log, Int16(clamping: level), column(number)
      ).first
      guard let root = try row.flatMap({ TreeHash(try $0.get(0, as: [UInt8].self)) }) else {
        throw StoreError.unreadable("the root of a part of a log's tree")
      }
      return root
    }
  }

  func batches(
    of log: ID<DecisionLog>, _ range: Range<UInt64>, _ body: (LogBatch) throws -> Void
  ) throws {
    guard !range.isEmpty else { return }
    // The batch that holds the first leaf may begin before it.
    var following = try packedBatch(holding: DecisionID(log: log, leaf: range.lowerBound))
    var next = range.lowerBound
    var waiting: ArraySlice<PackedBatch> = []
    while next < range.upperBound {
      if following == nil {
        waiting = try connection.execute(.batchesOfLog, id, log, column(next))
          .rows.map { try PackedBatch($0) }[...]
        following = waiting.popFirst()
      }
      guard let batch = following, batch.firstLeaf <= next, next < batch.receipt.treeSize else {
        throw StoreError.unreadable("a leaf of a log is missing")
      }
      try body(
        LogBatch(
          firstLeaf: batch.firstLeaf, root: batch.receipt.root,
          records: batch.split()))
      next = batch.receipt.treeSize
      following = waiting.popFirst()
    }
  }
}

extension LogClosing {
  /// From the columns size, root, own_size, verifier_key and signature; `nil` if they are NULL.
  fileprivate init?(_ row: PostgresRow, from column: Int) throws {
    guard try row.get(column, as: Int64?.self) != nil else { return nil }
    guard let root = TreeHash(try row.get(column + 1, as: [UInt8].self)),
      let key = VerifierKey(text: try row.get(column + 3, as: String.self))
    else { throw StoreError.unreadable("the end of a log that was closed") }
    self.init(
      size: try row.unsigned(column), root: root, ownSize: try row.unsigned(column + 2),
      verifierKey: key, signature: try row.get(column + 4))
  }
}

extension PostgresStatement {
  fileprivate static let logs = PostgresStatement(
    name: "logs",
    sql: """
      SELECT l.log_id, b.root, b.recorded, l.kind = 2 OR b.count = 0, b.epoch,
        b.first_leaf + b.count, l.verifier_key, COALESCE(signed.signature, ''),
        COALESCE(signed.size, 0), COALESCE(signed.root, ''),
        c.size, c.root, c.own_size, c.verifier_key, c.signature, l.kind
      FROM proof_log l
      CROSS JOIN LATERAL (
        SELECT root, recorded, count, epoch, first_leaf FROM proof_log_batch
        WHERE organization_id = l.organization_id AND log_id = l.log_id
        ORDER BY first_leaf DESC LIMIT 1
      ) b
      -- With the last batch, or with the one before where another node took the last leaf.
      LEFT JOIN LATERAL (
        SELECT s.first_leaf AS size, s.signature_before AS signature, before.root
        FROM (
          SELECT first_leaf, signature_before FROM proof_log_batch
          WHERE organization_id = l.organization_id AND log_id = l.log_id
          ORDER BY first_leaf DESC LIMIT 2
        ) s
        CROSS JOIN LATERAL (
          SELECT root FROM proof_log_batch
          WHERE organization_id = l.organization_id AND log_id = l.log_id
            AND first_leaf < s.first_leaf
          ORDER BY first_leaf DESC LIMIT 1
        ) before
        WHERE octet_length(s.signature_before) > 0
        ORDER BY s.first_leaf DESC LIMIT 1
      ) signed ON true
      LEFT JOIN proof_log_closing c
        ON c.organization_id = l.organization_id AND c.log_id = l.log_id
      WHERE l.organization_id = $1
        AND (l.log_id = $2 OR $3 OR $2::uuid IS NULL AND l.kind <> 2 AND b.count > 0)
      ORDER BY l.log_id
      """)
  fileprivate static let lookedUpLeaves = PostgresStatement(
    name: "looked_up_leaves",
    sql: """
      SELECT leaves FROM decision_lookup_progress WHERE organization_id = $1 AND log_id = $2
      """)
  fileprivate static let subtreeRoot = PostgresStatement(
    name: "subtree_root",
    sql: """
      SELECT root FROM proof_log_subtree
      WHERE organization_id = $1 AND log_id = $2 AND level = $3 AND number = $4
      """)
  fileprivate static let signatureBefore = PostgresStatement(
    name: "signature_before",
    sql: """
      SELECT signature_before FROM proof_log_batch
      WHERE organization_id = $1 AND log_id = $2 AND first_leaf = $3
      """)
  fileprivate static let batchesOfLog = pageOfBatches(
    "batches_of_log", "AND count > 0", atMost: 500, bytes: 4 << 20)

  /// From a leaf at which a batch begins: at least one row, then as many as stay within so many bytes.
  ///
  /// The rows are one range of the key, and not joined to the sizes: where tables are not analysed
  /// yet, such a join read every batch of the log for every row.
  static func pageOfBatches(
    _ name: String, _ condition: String = "", atMost rows: Int, bytes: Int
  ) -> PostgresStatement {
    PostgresStatement(
      name: name,
      sql: """
        SELECT log_id, first_leaf, count, epoch, root, records, decided_from
        FROM proof_log_batch
        WHERE organization_id = $1 AND log_id = $2 AND first_leaf >= $3 \(condition)
          AND first_leaf <= (
            SELECT max(first_leaf) FROM (
              SELECT first_leaf, sum(size) OVER (ORDER BY first_leaf) - size AS before
              FROM (
                SELECT first_leaf, octet_length(records) AS size FROM proof_log_batch
                WHERE organization_id = $1 AND log_id = $2 AND first_leaf >= $3 \(condition)
                ORDER BY first_leaf LIMIT \(rows)
              ) page
            ) sized
            WHERE before < \(bytes))
        ORDER BY first_leaf
        """)
  }
}
