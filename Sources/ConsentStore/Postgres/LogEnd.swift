internal import ConsentCore
internal import Postgres
internal import ProofLog

extension LogState {
  /// Ends a log: its next leaf is claimed by an empty batch, which keeps the last signature.
  ///
  /// Without it, as after a crash, the signature of the last batch is in its receipts only, and
  /// whoever looks for new decisions looks at the log's end for ever. Where nothing is signed, the
  /// log of one change needs no such end: nothing is appended to it.
  func end(
    _ organization: OrganizationID, head: FeedHead, at instant: Instant,
    _ connection: PostgresConnection
  ) throws {
    guard tree.size > 0, kind != .change || !signature.isEmpty else { return }
    try connection.transaction(isolation: .readCommitted) { connection in
      let claim: ID<Record> = PostgresConsentStore.randomID()
      let results = try connection.pipeline { pipeline in
        _ = try TransactionEntry.enter(&pipeline, organization)
        try claimNextLeaf(
          as: claim, organization, head: head, at: instant, in: &pipeline)
      }
      try TransactionEntry.checkEntered(results.result(0))
      if let failure = results.firstFailure { throw failure }
    }
  }

  /// Changes nothing if the leaf is taken.
  func claimNextLeaf(
    as claim: ID<Record>, _ organization: OrganizationID, head: FeedHead, at instant: Instant,
    in pipeline: inout PostgresPipeline
  ) throws {
    try pipeline.execute(
      .claimBatch, organization, id, column(nextLeaf), column(epoch), tree.root.bytes, claim,
      signature, column(head.position), head.chain, instant)
  }
}

extension PostgresStatement {
  fileprivate static let claimBatch = PostgresStatement(
    name: "claim_proof_log_batch",
    sql: """
      INSERT INTO proof_log_batch
        (organization_id, log_id, first_leaf, count, epoch, root, batch_id, signature_before,
          position, chain, decided_from, decided_until, is_long, recorded, records)
      VALUES ($1, $2, $3, 0, $4, $5, $6, $7, $8, $9, $10, $10, false, $10, '')
      ON CONFLICT DO NOTHING
      """)
}
