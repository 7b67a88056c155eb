internal import ConsentCore
internal import Postgres

extension RecordBatch {
  /// Finds out, behind the row that the batch itself wrote, whether it stands.
  ///
  /// Inserting the same row waits for a transaction that still holds it. If the row becomes ours,
  /// the batch can never stand any more; if it is the batch's, the batch stands. Either way this
  /// transaction wrote too and has committed, and the log has ended.
  func claim(at instant: Instant, _ connection: PostgresConnection) throws -> Bool {
    try connection.transaction(isolation: .readCommitted) { connection in
      let claim: ID<Record> = PostgresConsentStore.randomID()
      let results = try connection.pipeline { pipeline in
        _ = try TransactionEntry.enter(&pipeline, organization)
        try before.claimNextLeaf(as: claim, organization, head: head, at: instant, in: &pipeline)
        try pipeline.execute(.batchID, organization, log, column(firstLeaf))
      }
      try TransactionEntry.checkEntered(results.result(0))
      _ = try results.result(1)
      let stands = try results.result(2).single().get(0, as: PostgresUUID.self) == id
      try connection.execute(
        .putClaim, organization, log, column(firstLeaf), claim, stands, instant)
      return stands
    }
  }
}

extension PostgresStatement {
  fileprivate static let batchID = PostgresStatement(
    name: "proof_log_batch_id",
    sql: """
      SELECT batch_id FROM proof_log_batch
      WHERE organization_id = $1 AND log_id = $2 AND first_leaf = $3
      """)
  fileprivate static let putClaim = PostgresStatement(
    name: "put_decision_log_claim",
    sql: """
      INSERT INTO decision_log_claim
        (organization_id, log_id, first_leaf, claim_id, stands, claimed)
      VALUES ($1, $2, $3, $4, $5, $6)
      """)
}
