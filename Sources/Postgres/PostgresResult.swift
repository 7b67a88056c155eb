internal import CLibpq

/// The answer to one statement. It owns libpq's result and frees it.
///
/// Not Sendable: read the rows in the job that ran the statement, and hand out values.
@safe public final class PostgresResult {
  let pointer: OpaquePointer
  let statement: String

  public let rowCount: Int
  public let columnCount: Int

  /// - Parameter pointer: a `PGresult`; this object becomes its owner.
  init(owning pointer: OpaquePointer, statement: String) {
    unsafe self.pointer = unsafe pointer
    self.statement = statement
    rowCount = Int(unsafe PQntuples(pointer))
    columnCount = Int(unsafe PQnfields(pointer))
  }

  deinit { unsafe PQclear(pointer) }

  /// The rows that INSERT, UPDATE, DELETE, MERGE, SELECT or COPY counted; 0 for other commands.
  public var affectedRows: Int {
    guard let text = unsafe PQcmdTuples(pointer) else { return 0 }
    return Int(unsafe String(cString: text)) ?? 0
  }

  public var rows: PostgresRows { PostgresRows(result: self) }

  public var first: PostgresRow? { rowCount > 0 ? PostgresRow(result: self, index: 0) : nil }

  /// The one row there is.
  /// - Throws: `.decoding` when there are none or several.
  public func single() throws(PostgresError) -> PostgresRow {
    guard rowCount == 1 else {
      throw PostgresError(
        .decoding, "expected one row and got \(rowCount)", statement: statement)
    }
    return PostgresRow(result: self, index: 0)
  }

  /// The number of the column called `name`.
  /// - Throws: `.decoding` when there is none.
  public func column(_ name: String) throws(PostgresError) -> Int {
    for index in 0..<columnCount where columnName(index) == name { return index }
    throw failure("the statement returns no column of this name", column: name)
  }

  func columnName(_ index: Int) -> String {
    guard let name = unsafe PQfname(pointer, Int32(clamping: index)) else { return "\(index)" }
    return unsafe String(cString: name)
  }

  /// The binary form of a column, valid while this result lives; `nil` for NULL.
  @unsafe func field(row: Int, column: Int) -> UnsafeRawBufferPointer? {
    let (row, column) = (Int32(row), Int32(column))
    guard unsafe PQgetisnull(pointer, row, column) == 0,
      let start = unsafe PQgetvalue(pointer, row, column)
    else { return nil }
    return unsafe UnsafeRawBufferPointer(
      start: start, count: Int(PQgetlength(pointer, row, column)))
  }

  func failure(_ message: String, column: String) -> PostgresError {
    var error = PostgresError(.decoding, message, statement: statement)
    error.column = column
    return error
  }

  var commandTag: String {
    guard let text = unsafe PQcmdStatus(pointer) else { return "" }
    return unsafe String(cString: text)
  }
}

@available(*, unavailable)
extension PostgresResult: Sendable {}

/// The rows of a result, in the order in which the server sent them.
public struct PostgresRows: RandomAccessCollection {
  let result: PostgresResult

  public var startIndex: Int { 0 }
  public var endIndex: Int { result.rowCount }

  public subscript(position: Int) -> PostgresRow {
    precondition(indices.contains(position))
    return PostgresRow(result: result, index: position)
  }
}

/// One row, read by column number or name.
public struct PostgresRow {
  let result: PostgresResult
  let index: Int

  /// Reads a column.
  /// - Throws: `.decoding`, naming statement and column, when the column is NULL and `Value` is not
  ///   optional, has another type, or is malformed.
  public func get<Value: PostgresDecodable>(
    _ column: Int, as type: Value.Type = Value.self
  ) throws(PostgresError) -> Value {
    guard column >= 0, column < result.columnCount else {
      throw result.failure(
        "the statement returns \(result.columnCount) columns", column: "\(column)")
    }
    let columnType = PostgresType(unsafe PQftype(result.pointer, Int32(column)))
    do throws(PostgresDecodingProblem) {
      guard let field = unsafe result.field(row: index, column: column) else {
        return try Value.decode(nil, type: columnType)
      }
      return try Value.decode(unsafe field.bytes, type: columnType)
    } catch {
      throw result.failure(error.text, column: result.columnName(column))
    }
  }

  public func get<Value: PostgresDecodable>(
    _ column: String, as type: Value.Type = Value.self
  ) throws(PostgresError) -> Value {
    try get(try result.column(column))
  }

  /// Reads the first columns, in order, as a tuple.
  public func decode<each Value: PostgresDecodable>(
    _ types: repeat (each Value).Type
  ) throws(PostgresError) -> (repeat each Value) {
    var column = -1
    func next<T: PostgresDecodable>(_ type: T.Type) throws(PostgresError) -> T {
      column += 1
      return try get(column)
    }
    return (repeat try next(each types))
  }

  /// Lends the binary form of a column; `nil` for NULL.
  public func withBytes<Result>(
    _ column: Int, _ body: (RawSpan?) throws -> Result
  ) throws -> Result {
    guard column >= 0, column < result.columnCount else {
      throw result.failure(
        "the statement returns \(result.columnCount) columns", column: "\(column)")
    }
    guard let field = unsafe result.field(row: index, column: column) else { return try body(nil) }
    return try body(unsafe field.bytes)
  }
}

extension PostgresDecodingProblem {
  var text: String {
    switch self {
    case .unexpectedNull: "the column is NULL"
    case .typeMismatch(let expected, let found): "expected \(expected) and got \(found)"
    case .malformed: "the value is malformed or out of range"
    }
  }
}
