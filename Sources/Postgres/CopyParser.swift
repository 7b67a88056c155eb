/// Cuts a stream of binary COPY data into rows. The stretches it arrives in need not end with rows.
struct CopyParser {
  struct Malformed: Error {}

  private var bytes: [UInt8] = []
  private var offset = 0
  /// Of the row that was cut last: its room is used again.
  private var fields: [Range<Int>?] = []
  private var isPastHeader = false
  /// The trailer was read.
  private(set) var isAtEnd = false

  mutating func append(_ chunk: RawSpan) {
    if offset == bytes.count {
      bytes.removeAll(keepingCapacity: true)
      offset = 0
    } else if offset > 1 << 20 {
      bytes.removeFirst(offset)
      offset = 0
    }
    unsafe chunk.withUnsafeBytes { unsafe bytes.append(contentsOf: $0) }
  }

  /// The next complete row, `nil` when more bytes are needed or the end was reached.
  mutating func next() throws(Malformed) -> PostgresCopyRow? {
    guard try readHeader() else { return nil }
    guard !isAtEnd else {
      guard offset == bytes.count else { throw Malformed() }
      return nil
    }
    let source = bytes
    let span = unsafe source.span.bytes
    var position = offset
    guard let count = span.integer(Int16.self, at: &position) else { return nil }
    guard count != CopyFormat.trailer else {
      offset = position
      isAtEnd = true
      guard offset == bytes.count else { throw Malformed() }
      return nil
    }
    guard count >= 0 else { throw Malformed() }
    fields.removeAll(keepingCapacity: true)
    for _ in 0..<count {
      guard let length = span.integer(Int32.self, at: &position) else { return nil }
      guard length >= -1 else { throw Malformed() }
      if length == -1 {
        fields.append(nil)
        continue
      }
      guard span.byteCount - position >= Int(length) else { return nil }
      fields.append(position..<position + Int(length))
      position += Int(length)
    }
    offset = position
    return PostgresCopyRow(bytes: bytes, fields: fields)
  }

  /// - Returns: `false` when the header is not there yet.
  private mutating func readHeader() throws(Malformed) -> Bool {
    guard !isPastHeader else { return true }
    let signature = CopyFormat.signature
    var position = signature.count
    let source = bytes
    let span = unsafe source.span.bytes
    guard span.byteCount >= signature.count else { return false }
    guard bytes.starts(with: signature) else { throw Malformed() }
    guard let flags = span.integer(Int32.self, at: &position),
      let extensionLength = span.integer(Int32.self, at: &position)
    else { return false }
    // The upper 16 flags mark what a reader must understand; none is in use.
    guard flags & ~0xFFFF == 0, extensionLength >= 0 else { throw Malformed() }
    guard span.byteCount - position >= Int(extensionLength) else { return false }
    offset = position + Int(extensionLength)
    isPastHeader = true
    return true
  }
}

/// A row of COPY data. COPY states no types: the caller must know them.
///
/// Reading a column is inlined where its type is known, which halves the time of a large COPY.
public struct PostgresCopyRow: PostgresColumns, ~Copyable {
  @usableFromInline let bytes: [UInt8]
  @usableFromInline let fields: [Range<Int>?]

  init(bytes: [UInt8], fields: [Range<Int>?]) {
    self.bytes = bytes
    self.fields = fields
  }

  public var columnCount: Int { fields.count }

  /// Reads a column.
  /// - Throws: `.decoding` as `PostgresRow.get`, except that a wrong type shows as a malformed value,
  ///   or not at all when both have the same length.
  @inlinable
  public func get<Value: PostgresDecodable>(
    _ column: Int, as type: Value.Type = Value.self
  ) throws(PostgresError) -> Value {
    guard fields.indices.contains(column) else {
      throw failure(noColumn: column)
    }
    do throws(PostgresDecodingProblem) {
      guard let range = fields[column] else { return try Value.decode(nil, type: nil) }
      return try Value.decode(unsafe bytes.span.bytes.extracting(range), type: nil)
    } catch {
      throw failure(error, column)
    }
  }

  /// Lends the binary form of a column; `nil` for NULL.
  @inlinable
  public func withBytes<Result>(
    _ column: Int, _ body: (RawSpan?) throws -> Result
  ) throws -> Result {
    guard fields.indices.contains(column) else {
      throw failure(noColumn: column)
    }
    guard let range = fields[column] else { return try body(nil) }
    return try body(unsafe bytes.span.bytes.extracting(range))
  }

  @usableFromInline
  func failure(_ problem: PostgresDecodingProblem, _ column: Int) -> PostgresError {
    failure(problem.text, column)
  }

  @usableFromInline
  func failure(noColumn column: Int) -> PostgresError {
    failure("the row has \(fields.count) columns", column)
  }

  private func failure(_ message: String, _ column: Int) -> PostgresError {
    var error = PostgresError(.decoding, message, statement: "copy")
    error.column = "\(column)"
    return error
  }
}
