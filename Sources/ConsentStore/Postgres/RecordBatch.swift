internal import ConsentCore
internal import Postgres
internal import ProofLog

/// Records that are logged together, at consecutive leaves of one log: their packed bytes, the tree
/// after them and the row that stores both. It does not care who made them, or when the row is
/// inserted.
///
/// Use: make it onto the log's state, insert it, and once that is committed let `committed(signer:)`
/// tell the log's new state and what may be answered.
struct RecordBatch<Content: LogItem>: Sendable {
  typealias Item = Content

  /// Tells this batch from any other that claims the same leaf.
  let id: PostgresUUID
  let before: LogState
  /// With no signature yet.
  let after: LogState
  /// The head that the batch is compared with; no item's is later.
  let head: FeedHead
  /// With receipts that are not signed yet.
  let logged: [Item.Logged]
  private let records: PackedRecords
  let organization: OrganizationID
  private let decided: ClosedRange<Instant>

  var log: ID<DecisionLog> { before.id }
  var firstLeaf: UInt64 { before.nextLeaf }

  /// The log's state is taken by value: nothing moves before `committed(signer:)`.
  init(
    _ items: [Item], onto before: LogState, head: FeedHead, organization: OrganizationID
  ) throws {
    var generator = SystemRandomNumberGenerator()
    id = PostgresUUID(high: generator.next(), low: generator.next())
    var after = before
    after.signature = []
    records = try PackedRecords(items, onto: &after, organization: organization)
    let receipt = LogReceipt(
      treeSize: after.tree.size, root: after.tree.root, epoch: after.epoch)
    logged = items.enumerated().map { offset, item in
      item.logged(
        DecisionID(log: before.id, leaf: before.nextLeaf + UInt64(offset)), receipt)
    }
    let instants = items.map(\.at)
    decided = (instants.min() ?? head.known)...(instants.max() ?? head.known)
    self.before = before
    self.after = after
    self.head = head
    self.organization = organization
  }

  /// Two periods that `decided` may be long or short of; a reader looks this far ahead.
  static var longMicroseconds: Int64 { 1_000_000 }

  /// The columns of `proof_log_batch` in the order of `PostgresStatement.insertBatch`.
  func parameters(recorded: Instant) throws -> PostgresParameters {
    let isLong =
      decided.upperBound > decided.lowerBound.adding(microseconds: Self.longMicroseconds)
    return PostgresParameters(
      organization, log, try column(firstLeaf), Int32(clamping: records.count),
      try column(before.epoch), after.tree.root.bytes, id, before.signature,
      try column(head.position), head.chain, decided.lowerBound, decided.upperBound, isLong,
      recorded, records.bytes)
  }

  /// One row, and another with a log's first batch.
  /// - Parameter signer: whose key the log names.
  func insert(
    into pipeline: inout PostgresPipeline, recorded: Instant, signer: LogSigner?
  ) throws {
    if firstLeaf == 0 { try start(into: &pipeline, recorded: recorded, signer: signer) }
    try pipeline.execute(.insertBatch, parameters(recorded: recorded))
  }

  /// The row of the log itself.
  func start(
    into pipeline: inout PostgresPipeline, recorded: Instant, signer: LogSigner?
  ) throws {
    try pipeline.execute(
      .startLog, organization, log, column(before.epoch), before.kind.rawValue,
      signer?.verifierKey.text ?? "", recorded)
  }

  /// To be called once the row is committed, and not before.
  /// - Returns: what the log is now, and what may leave.
  func committed(signer: LogSigner?) -> (state: LogState, logged: [Item.Logged]) {
    let state = after.signed(by: signer, organization: organization)
    let signed = logged.map { item in
      var item = item
      item.receipt?.signature = state.signature
      return item
    }
    return (state, signed)
  }
}

/// Decisions that are logged together.
typealias DecisionBatch = RecordBatch<DecisionItem>
/// The same of an activity log.
typealias ActivityBatch = RecordBatch<ActivityItem>

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
      INSERT INTO proof_log (organization_id, log_id, epoch, kind, verifier_key, started)
      VALUES ($1, $2, $3, $4, $5, $6)
      """)
  static let insertBatch = PostgresStatement(
    name: "insert_proof_log_batch",
    sql: """
      INSERT INTO proof_log_batch
        (organization_id, log_id, first_leaf, count, epoch, root, batch_id, signature_before,
          position, chain, decided_from, decided_until, is_long, recorded, records)
      VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)
      """)
}
