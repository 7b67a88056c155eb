/// Writes rows in the binary format of COPY (PostgreSQL manual, "COPY", binary format).
public struct PostgresCopyWriter {
  private let connection: PostgresConnection
  private let statement: String
  private var buffer = PostgresBuffer(reservingCapacity: chunkSize + 4_096)
  private var row = PostgresParameters()

  /// How many bytes are gathered before they are handed on.
  private static let chunkSize = 64 << 10

  init(connection: PostgresConnection, statement: String) {
    self.connection = connection
    self.statement = statement
    buffer.append(bytes: CopyFormat.signature)
    buffer.append(integer: Int32(0))
    buffer.append(integer: Int32(0))
  }

  /// Writes one row. The values must have exactly the types of the columns.
  public mutating func row<each Value: PostgresEncodable>(
    _ values: repeat each Value
  ) throws(PostgresError) {
    row.removeAll()
    repeat (each values).append(to: &row)
    try write(row)
  }

  /// Writes one row from parameters, one for each column.
  public mutating func write(_ row: PostgresParameters) throws(PostgresError) {
    try connection.check(row, PostgresStatement(name: statement, sql: ""))
    guard let count = Int16(exactly: row.count) else {
      throw PostgresError(.misuse, "too many columns", statement: statement)
    }
    buffer.append(integer: count)
    for entry in row.entries {
      buffer.append(integer: Int32(entry.length))
      guard entry.length > 0 else { continue }
      buffer.append(bytes: row.buffer.bytes[entry.offset..<entry.offset + entry.length])
    }
    if buffer.count >= Self.chunkSize { try flush() }
  }

  mutating func finish() throws(PostgresError) {
    buffer.append(integer: CopyFormat.trailer)
    try flush()
  }

  private mutating func flush() throws(PostgresError) {
    try connection.putCopyData(buffer.bytes, statement)
    buffer.removeAll()
  }
}

@available(*, unavailable)
extension PostgresCopyWriter: Sendable {}

enum CopyFormat {
  /// "PGCOPY", then bytes that show whether something on the way took the data for text.
  static let signature: [UInt8] = [
    0x50, 0x47, 0x43, 0x4F, 0x50, 0x59, 0x0A, 0xFF, 0x0D, 0x0A, 0x00,
  ]
  /// In place of the number of columns.
  static let trailer: Int16 = -1
}
