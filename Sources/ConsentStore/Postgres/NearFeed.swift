internal import ConsentCore
internal import Postgres

/// The stretch of the feed that a node which follows it needs to see, to append and go on.
///
/// INVARIANT (I3): positions are dense, so a row that the stretch holds below its end is the head if
/// no other follows. If its last position is taken, or nothing of it is there, the whole feed is
/// asked (`appendBatch`).
struct NearFeed {
  let range: ClosedRange<Int64>

  /// - Returns: `nil` where there is no such stretch: the feed is empty, or what was seen of it lies
  ///   far apart.
  init?(_ test: AppendTest, position: Int64) {
    guard position > 0 else { return nil }
    let (end, isTooFar) = test.after.addingReportingOverflow(Int64(FeedFollowing.limit))
    let seen = test.seenPosition > 0 ? test.seenPosition : position
    let start = min(position, seen, test.after)
    guard !isTooFar, start >= 0, max(position, seen) < end,
      end - start <= 4 * Int64(FeedFollowing.limit)
    else { return nil }
    range = start...end
  }
}

extension PostgresStatement {
  /// `appendBatch` for a log that has begun and a feed that is followed: it tests the same, of one
  /// look at a stretch of the feed, with $25 and $26 its first and last position. The organization
  /// is not asked for: the row that the decisions were taken at must be visible, with its chain.
  ///
  /// No row, or verdict 5: this stretch does not tell.
  static let appendNearHead = PostgresStatement(
    name: "append_near_head",
    sql: """
      WITH near AS MATERIALIZED (
        SELECT position, chain, known, fact_position, event_id, event, recorded_by FROM feed
        WHERE organization_id = $1 AND position BETWEEN $25 AND $26 ORDER BY position
      ), asked AS MATERIALIZED (
        SELECT h.position, h.chain, h.known, h.fact_position,
          CASE
            WHEN h.position >= $26 THEN 5
            WHEN (SELECT chain = $10 FROM near WHERE position = $9) IS NOT TRUE THEN 3
            WHEN h.fact_position > $16 THEN 2
            WHEN $21 > 0 AND ($21 <> $9 OR $22 <> $10)
              AND (SELECT chain = $22 FROM near WHERE position = $21) IS NOT TRUE THEN 4
            WHEN $18 IS NOT NULL AND (
              SELECT batch_id = $19 AND first_leaf + count = $3 AND root = $20 AND epoch = $5
              FROM proof_log_batch
              WHERE organization_id = $1 AND log_id = $2 AND first_leaf BETWEEN $18 AND $18
              ORDER BY first_leaf LIMIT 1) IS NOT TRUE THEN 4
            ELSE 1
          END AS verdict
        FROM near h WHERE h.position = (SELECT max(position) FROM near)
      ), batch AS (
        INSERT INTO proof_log_batch
          (organization_id, log_id, first_leaf, count, epoch, root, batch_id, signature_before,
            position, chain, decided_from, decided_until, is_long, recorded, records)
        SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15
        FROM asked WHERE verdict = 1
      )
      SELECT a.verdict, a.position, a.chain, a.known, a.fact_position,
        COALESCE(a.position > $17, false) AND EXISTS (
          SELECT FROM image_version
          WHERE organization_id = $1 AND position <= a.position AND part2_value IS NOT NULL),
        f.position, f.chain, f.known, f.event_id, f.event, f.recorded_by
      FROM asked a LEFT JOIN near f ON f.position > $17
      CROSS JOIN (SELECT $23::smallint, $24::text) unused
      """)
}
