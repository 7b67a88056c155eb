internal import ConsentCore
internal import Postgres
internal import ProofLog

/// Decisions that are logged together, at consecutive leaves of one log: their packed records, the
/// tree after them and the row that stores both. It does not care who took the decisions, or when
/// the row is inserted.
///
/// Use: make it onto the log's state, insert it, and once that is committed let the log's state
/// become `after` and hand out `signed(by:)`.
struct DecisionBatch: Sendable {
  struct Item: Sendable {
    var entry: DecisionEntry
    /// The head the decision was taken at.
    var head: FeedHead
  }

  /// Tells this batch from any other that claims the same leaf.
  let id: PostgresUUID
  let before: LogState
  let after: LogState
  /// The head that the batch is compared with; no item's is later.
  let head: FeedHead
  /// With receipts that are not signed yet.
  let logged: [LoggedDecision]
  private let records: PackedRecords
  let organization: OrganizationID
  private let decided: ClosedRange<Instant>

  var log: ID<DecisionLog> { before.id }
  var firstLeaf: UInt64 { before.nextLeaf }

  /// The tree's state is taken by value: nothing moves until `after` is used.
  init(
    _ items: [Item], onto before: LogState, head: FeedHead, organization: OrganizationID
  ) throws {
    var generator = SystemRandomNumberGenerator()
    id = PostgresUUID(high: generator.next(), low: generator.next())
    var after = before
    records = try PackedRecords(items, onto: &after, organization: organization)
    let receipt = LogReceipt(
      treeSize: after.tree.size, root: after.tree.root, epoch: after.epoch)
    logged = items.enumerated().map { offset, item in
      LoggedDecision(
        id: DecisionID(log: before.id, leaf: before.nextLeaf + UInt64(offset)), entry: item.entry,
        head: item.head, receipt: receipt)
    }
    let instants = items.map(\.entry.decision.at)
    decided = (instants.min() ?? head.known)...(instants.max() ?? head.known)
    self.before = before
    self.after = after
    self.head = head
    self.organization = organization
  }

  /// Two periods that `decided` may be long or short of; a reader looks this far ahead.
  static let longMicroseconds: Int64 = 1_000_000

  /// The columns of `proof_log_batch` in the order of `PostgresStatement.insertBatch`.
  func parameters(recorded: Instant) throws -> PostgresParameters {
    let isLong =
      decided.upperBound > decided.lowerBound.adding(microseconds: Self.longMicroseconds)
    return PostgresParameters(
      organization, log, try column(firstLeaf), Int32(clamping: records.count),
      try column(after.epoch), after.tree.root.bytes, id, try column(head.position), head.chain,
      decided.lowerBound, decided.upperBound, isLong, recorded, records.bytes)
  }

  /// One row, and another with a log's first batch.
  func insert(into pipeline: inout PostgresPipeline, recorded: Instant) throws {
    if firstLeaf == 0 {
      try pipeline.execute(
        .startLog, organization, log, column(before.epoch), before.kind.rawValue, recorded)
    }
    try pipeline.execute(.insertBatch, parameters(recorded: recorded))
  }

  /// What may leave after the commit. A root that cannot be signed now is signed when asked for.
  func signed(by signer: LogSigner?) -> [LoggedDecision] {
    guard let signer, let receipt = logged.first?.receipt else { return logged }
    let signature = receipt.signature(by: signer, organization: organization, log: log)
    return logged.map { decision in
      var decision = decision
      decision.receipt?.signature = signature
      return decision
    }
  }
}

extension LogReceipt {
  /// Empty when it could not be made.
  func signature(
    by signer: LogSigner, organization: OrganizationID, log: ID<DecisionLog>
  ) -> [UInt8] {
    let checkpoint = Checkpoint(organization: organization, log: log, size: treeSize, root: root)
    return (try? signer.signature(of: checkpoint.text)) ?? []
  }
}

extension PostgresStatement {
  static let startLog = PostgresStatement(
    name: "start_proof_log",
    sql: """
      INSERT INTO proof_log (organization_id, log_id, epoch, kind, started)
      VALUES ($1, $2, $3, $4, $5)
      """)
  static let insertBatch = PostgresStatement(
    name: "insert_proof_log_batch",
    sql: """
      INSERT INTO proof_log_batch
        (organization_id, log_id, first_leaf, count, epoch, root, batch_id, position, chain,
          decided_from, decided_until, is_long, recorded, records)
      VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)
      """)
}
