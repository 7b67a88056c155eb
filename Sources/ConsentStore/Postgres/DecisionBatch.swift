internal import ConsentCore
internal import Postgres

/// Decisions that are logged together, at consecutive leaves of one log.
struct DecisionBatch {
  /// Tells this batch from any other that claims the same leaf.
  let id: PostgresUUID
  let log: ID<DecisionLog>
  let firstLeaf: UInt64
  let head: FeedHead
  let logged: [LoggedDecision]
  private let rows: RowSet
  let organization: OrganizationID

  init(
    entries: [DecisionEntry], log: ID<DecisionLog>, firstLeaf: UInt64, head: FeedHead,
    organization: OrganizationID
  ) throws {
    var generator = SystemRandomNumberGenerator()
    id = PostgresUUID(high: generator.next(), low: generator.next())
    self.log = log
    self.firstLeaf = firstLeaf
    self.head = head
    self.organization = organization
    logged = entries.enumerated().map { offset, entry in
      LoggedDecision(
        id: DecisionID(log: log, leaf: firstLeaf + UInt64(offset)), entry: entry, head: head)
    }
    var rows = RowSet(.decisionLog, organization: organization)
    for decision in logged {
      rows.add(
        .id(log), .int8(try column(decision.id.leaf)), .int8(try column(head.position)),
        .instant(decision.entry.decision.at), .bytes(try Self.pack(decision.entry)))
    }
    self.rows = rows
  }

  func insert(into pipeline: inout PostgresPipeline, recorded: Instant) throws {
    try pipeline.execute(
      .insertBatch, organization, log, column(firstLeaf), Int32(clamping: logged.count), id,
      column(head.position), head.chain, recorded)
    try rows.insert(into: &pipeline)
  }

  /// A version byte, then the entry as JSON.
  static func pack(_ entry: DecisionEntry) throws -> [UInt8] {
    [1] + (try RecordBody.encode(entry))
  }

  static func unpack(_ record: [UInt8]) -> DecisionEntry? {
    guard record.first == 1 else { return nil }
    return RecordBody.decode(Array(record.dropFirst()))
  }
}

extension PostgresStatement {
  static let insertBatch = PostgresStatement(
    name: "insert_decision_log_batch",
    sql: """
      INSERT INTO decision_log_batch
        (organization_id, log_id, first_leaf, count, batch_id, position, chain, recorded)
      VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
      """)
}
