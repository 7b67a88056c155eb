public import ConsentCore
public import Postgres
internal import ProofLog

/// A file of whole logs, for auditors. Integers are big-endian.
///
///     "consentd log export 1\n"
///     frames, each a letter and its fields:
///       N  what the activity logs in the file name of others, before the first of them: organization
///          (16), count (4); then each: log (16), size (8)
///       L  a log begins: epoch (8), length (2) and origin, length (2) and verifier key
///       B  a batch: first leaf (8), count (4), root (32), bytes (4) of records; then each record:
///          length (4), leaf hash (32), bytes
///       S  the newest signature, of the tree so far: length (1), Ed25519 signature
///       C  the log was closed by another node: size that its own node signed (8), length (2) and
///          verifier key of the other, length (1) and its signature (`LogClosing`)
///       Z  the log ends: size (8), root (32)
///       E  the file ends: number of logs (4)
public enum LogExport {
  static let magic = Array("consentd log export 1\n".utf8)

  enum Frame {
    static let named = UInt8(ascii: "N")
    static let log = UInt8(ascii: "L")
    static let batch = UInt8(ascii: "B")
    static let signature = UInt8(ascii: "S")
    static let closing = UInt8(ascii: "C")
    static let logEnd = UInt8(ascii: "Z")
    static let fileEnd = UInt8(ascii: "E")
  }

  /// Writes one log or all, from one snapshot.
  /// - Parameter write: gets the file piece by piece, a batch at a time.
  /// - Returns: how many logs and leaves there were.
  @discardableResult
  public static func write(
    _ selection: LogSelection, of organization: OrganizationID, from reader: any LogReader,
    _ write: ([UInt8]) throws -> Void
  ) throws -> (logs: Int, leaves: UInt64) {
    var leaves: UInt64 = 0
    let logs = try reader.logs(selection)
    try write(magic)
    let named = try NamedLogs(of: logs.filter { $0.kind == 3 }, in: reader)
    if !named.isEmpty { try write(named.frame(of: organization)) }
    for log in logs {
      var head = CanonicalBytes()
      head.append(byte: Frame.log)
      head.append(log.epoch)
      head.append(short: Checkpoint.origin(organization: organization, log: log.id))
      head.append(short: log.verifierKey?.text ?? "")
      try write(head.bytes)
      try reader.batches(of: log.id, 0..<log.size) { batch in
        if let signed = log.signed, signed.size == batch.firstLeaf { try write(frame(signed)) }
        // Where nothing may follow: that something does is for the auditor to see.
        if let closing = log.closing, closing.size == batch.firstLeaf { try write(frame(closing)) }
        try write(frame(batch))
      }
      if let signed = log.signed, signed.size == log.size { try write(frame(signed)) }
      if let closing = log.closing, closing.size == log.size { try write(frame(closing)) }
      var end = CanonicalBytes()
      end.append(byte: Frame.logEnd)
      end.append(log.size)
      end.append(raw: log.root.bytes)
      try write(end.bytes)
      leaves += log.size
    }
    var end = CanonicalBytes()
    end.append(byte: Frame.fileEnd)
    end.append(UInt32(truncatingIfNeeded: logs.count))
    try write(end.bytes)
    return (logs.count, leaves)
  }

  private static func frame(_ signed: LogSummary.Signed) -> [UInt8] {
    [Frame.signature, UInt8(truncatingIfNeeded: signed.signature.count)] + signed.signature
  }

  private static func frame(_ closing: LogClosing) -> [UInt8] {
    var form = CanonicalBytes()
    form.append(byte: Frame.closing)
    form.append(closing.ownSize)
    form.append(short: closing.verifierKey.text)
    form.append(byte: UInt8(truncatingIfNeeded: closing.signature.count))
    form.append(raw: closing.signature)
    return form.bytes
  }

  private static func frame(_ batch: LogBatch) throws -> [UInt8] {
    var records = CanonicalBytes(reserving: batch.records.count * 400)
    for record in batch.records {
      records.append(UInt32(truncatingIfNeeded: record.count))
      records.append(raw: TreeHash.leaf(record).bytes)
      records.append(raw: Array(record))
    }
    guard let count = UInt32(exactly: records.bytes.count) else {
      throw StoreError.unreadable("a batch of decisions is too long to be exported")
    }
    var form = CanonicalBytes(reserving: records.bytes.count + 128)
    form.append(byte: Frame.batch)
    form.append(batch.firstLeaf)
    form.append(UInt32(truncatingIfNeeded: batch.records.count))
    form.append(raw: batch.root.bytes)
    form.append(count)
    form.append(raw: records.bytes)
    return form.bytes
  }

  /// Exports straight from the database, in one read-only snapshot, with whatever login may read it.
  @discardableResult
  public static func write(
    _ selection: LogSelection, of organization: OrganizationID,
    database: PostgresConfiguration, _ write: ([UInt8]) throws -> Void
  ) throws -> (logs: Int, leaves: UInt64) {
    var database = database
    database.searchPath = "consentd"
    do {
      let connection = try PostgresConnection(database)
      // Logs are not encrypted: no master key opens anything here.
      let keys = try KeyRing(masters: [[UInt8](repeating: 0, count: 32)])
      return try connection.transaction(isolation: .repeatableRead) { connection in
        try connection.execute(script: "SET TRANSACTION READ ONLY", name: "read_only")
        let entry = try TransactionEntry.read(connection, organization)
        let view = PostgresView(connection, entry, keys: keys, clock: entry.head.known)
        return try self.write(selection, of: organization, from: view, write)
      }
    } catch {
      throw StoreFailure.public(error)
    }
  }
}

extension CanonicalBytes {
  fileprivate mutating func append(short text: String) {
    append(UInt16(truncatingIfNeeded: text.utf8.count))
    append(raw: Array(text.utf8))
  }
}
