internal import ConsentCore
internal import Postgres
internal import ProofLog

/// One row of `proof_log_batch` as it is read.
struct PackedBatch {
  var log: ID<DecisionLog>
  var firstLeaf: UInt64
  var count: Int
  var receipt: LogReceipt
  var decidedFrom: Instant
  private var records: [UInt8]

  /// Columns as in `PostgresStatement.packedColumns`.
  init(_ row: PostgresRow) throws {
    let (log, _, count, _, root, records, decidedFrom) = try row.decode(
      ID<DecisionLog>.self, Int64.self, Int32.self, Int64.self, [UInt8].self, [UInt8].self,
      Instant.self)
    self.log = log
    self.count = Int(count)
    self.decidedFrom = decidedFrom
    self.records = records
    firstLeaf = try row.unsigned(1)
    guard let root = TreeHash(root) else { throw StoreError.unreadable("the root of a log") }
    receipt = LogReceipt(
      treeSize: firstLeaf + UInt64(clamping: self.count), root: root, epoch: try row.unsigned(3))
  }

  /// The exact bytes of each record, in the order of the leaves.
  func split() throws -> [ArraySlice<UInt8>] {
    guard let records = PackedRecords.split(records, count: count) else {
      throw StoreError.unreadable("the records of a batch of decisions")
    }
    return records
  }

  /// By what its first record says it is. A decision log holds no records of another kind, nor an
  /// activity log decisions: whoever reads such a mixture finds that it does not read.
  var isActivity: Bool {
    let kind = PackedRecords.first(of: records, count: count)?.dropFirst().first
    return kind.map(ActivityRecord.kinds.contains) ?? false
  }

  func activities() throws -> [LoggedActivity] {
    try split().enumerated().map { offset, bytes in
      let id = DecisionID(log: log, leaf: firstLeaf + UInt64(offset))
      guard let record = ActivityRecord(bytes), record.id == id else {
        throw StoreError.unreadable("a record of an activity log")
      }
      return LoggedActivity(
        id: id, activity: record.activity, head: record.head, receipt: receipt)
    }
  }

  func decisions() throws -> [LoggedDecision] {
    try split().enumerated().map { offset, bytes in
      let id = DecisionID(log: log, leaf: firstLeaf + UInt64(offset))
      guard let record = LogRecord(bytes), record.id == id else {
        throw StoreError.unreadable("a decision record")
      }
      return LoggedDecision(id: id, entry: record.entry, head: record.head, receipt: receipt)
    }
  }
}

extension PostgresStatement {
  static let packedColumns = """
    SELECT log_id, first_leaf, count, epoch, root, records, decided_from
    FROM proof_log_batch
    """
}
