#if DEBUG
  internal import Postgres

  extension PostgresStatement {
    /// `appendBatch` without a look at the feed, which answers as if nothing stood there above the
    /// batch: what row P5 of `ops/bench ledger` is measured against. The log must still stand where
    /// this node left it.
    ///
    /// The batch before it is looked up so that a plan kept since the tables were empty finds it by
    /// its key. The same parameters; those that ask about the feed are named without being used.
    static let appendBlindly = PostgresStatement(
      name: "append_blindly",
      sql: """
        WITH asked AS MATERIALIZED (
          SELECT CASE
            WHEN $18 IS NOT NULL AND (
              SELECT batch_id = $19 AND first_leaf + count = $3 AND root = $20 AND epoch = $5
              FROM proof_log_batch
              WHERE organization_id = $1 AND log_id = $2 AND first_leaf BETWEEN $18 AND $18
              ORDER BY first_leaf LIMIT 1) IS NOT TRUE THEN 4
            ELSE 1 END AS verdict
        ), log AS (
          INSERT INTO proof_log (organization_id, log_id, epoch, kind, verifier_key, started)
          SELECT $1, $2, $5, $23, $24, $14 FROM asked WHERE verdict = 1 AND $3 = 0
        ), batch AS (
          INSERT INTO proof_log_batch
            (organization_id, log_id, first_leaf, count, epoch, root, batch_id, signature_before,
              position, chain, decided_from, decided_until, is_long, recorded, records)
          SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15
          FROM asked WHERE verdict = 1
        )
        SELECT a.verdict, $9::bigint, $10::bytea, $14::timestamptz, $9::bigint, false,
          NULL::bigint
        FROM asked a, (SELECT $16::bigint, $17::bigint, $21::bigint, $22::bytea) unused
        """)
  }
#endif
