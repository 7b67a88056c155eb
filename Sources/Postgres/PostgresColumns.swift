/// A row that is read column by column: of a result, or of COPY data.
public protocol PostgresColumns: ~Copyable {
  /// - Throws: `.decoding` naming the column.
  func get<Value: PostgresDecodable>(
    _ column: Int, as type: Value.Type
  ) throws(PostgresError) -> Value
}

extension PostgresColumns where Self: ~Copyable {
  @inlinable
  public func get<Value: PostgresDecodable>(_ column: Int) throws(PostgresError) -> Value {
    try get(column, as: Value.self)
  }
}

extension PostgresRow: PostgresColumns {}
