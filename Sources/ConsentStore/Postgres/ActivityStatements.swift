internal import ConsentCore
internal import Postgres
internal import ProofLog

extension ActivityBatch {
  /// - Parameter last: the batch that the log must end with; `nil` while it is empty. Where it does
  ///   not, no row is inserted by the last statement.
  func appendActivity(
    into pipeline: inout PostgresPipeline, recorded: Instant, signer: LogSigner?,
    after last: (firstLeaf: UInt64, id: PostgresUUID)?
  ) throws {
    if firstLeaf == 0 { try start(into: &pipeline, recorded: recorded, signer: signer) }
    var parameters = try parameters(recorded: recorded)
    parameters.append(try last.map { try column($0.firstLeaf) })
    parameters.append(last?.id)
    parameters.append(before.tree.root.bytes)
    try pipeline.execute(.appendActivity, parameters)
  }
}

extension PostgresStatement {
  /// $1 to $15 as in `insertBatch`.
  fileprivate static let appendActivity = PostgresStatement(
    name: "append_activity",
    sql: """
      INSERT INTO proof_log_batch
        (organization_id, log_id, first_leaf, count, epoch, root, batch_id, signature_before,
          position, chain, decided_from, decided_until, is_long, recorded, records, is_activity)
      SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, true
      WHERE $16::bigint IS NULL OR (
        SELECT batch_id = $17 AND first_leaf + count = $3 AND root = $18 AND epoch = $5
        FROM proof_log_batch
        WHERE organization_id = $1 AND log_id = $2 AND first_leaf = $16) IS TRUE
      RETURNING first_leaf
      """)
  /// The logs that can still grow, and those that ended or were begun since the newest activity log
  /// was; a day more, because nodes have clocks of their own. All where there was none yet.
  ///
  /// A log of one change is whole with its first batch, and is not looked at again later.
  static let namedLogs = PostgresStatement(
    name: "named_logs",
    sql: """
      WITH since AS MATERIALIZED (
        SELECT COALESCE(max(started) - interval '1 day', '-infinity') AS instant
        FROM proof_log WHERE organization_id = $1 AND kind = 3
      )
      SELECT l.log_id, l.kind, b.first_leaf + b.count, b.root
      FROM since
      CROSS JOIN LATERAL (
        SELECT log_id, kind FROM proof_log
        WHERE organization_id = $1 AND kind <> 2 AND log_id <> $2
        UNION ALL
        SELECT log_id, kind FROM proof_log
        WHERE organization_id = $1 AND kind = 2 AND started >= since.instant) l
      CROSS JOIN LATERAL (
        SELECT first_leaf, count, root, recorded FROM proof_log_batch
        WHERE organization_id = $1 AND log_id = l.log_id
        ORDER BY first_leaf DESC LIMIT 1) b
      WHERE l.kind = 2 OR b.count > 0 OR b.recorded >= since.instant
      ORDER BY l.log_id
      """)
}
