public import ConsentCore
public import Postgres

// The domain's values as columns, without a conversion on the way.

extension ID: PostgresScalar {
  public static var postgresType: PostgresType { .uuid }
  public static var postgresArrayType: PostgresType { .uuidArray }

  public func encode(into buffer: inout PostgresBuffer) -> Bool {
    PostgresUUID(high: high, low: low).encode(into: &buffer)
  }

  public init?(postgres bytes: RawSpan) {
    guard let uuid = PostgresUUID(postgres: bytes) else { return nil }
    self.init(high: uuid.high, low: uuid.low)
  }
}

/// The distant past and future are -infinity and infinity.
extension Instant: PostgresScalar {
  public static var postgresType: PostgresType { .timestamptz }
  public static var postgresArrayType: PostgresType { .timestamptzArray }

  public func encode(into buffer: inout PostgresBuffer) -> Bool {
    PostgresTimestamp(microseconds: microseconds).encode(into: &buffer)
  }

  public init?(postgres bytes: RawSpan) {
    guard let timestamp = PostgresTimestamp(postgres: bytes) else { return nil }
    self.init(microseconds: timestamp.microseconds)
  }
}

extension LocalDay: PostgresScalar {
  public static var postgresType: PostgresType { .date }
  public static var postgresArrayType: PostgresType { .dateArray }

  public func encode(into buffer: inout PostgresBuffer) -> Bool {
    PostgresDate(days: daysSince1970).encode(into: &buffer)
  }

  public init?(postgres bytes: RawSpan) {
    guard let date = PostgresDate(postgres: bytes) else { return nil }
    self.init(daysSince1970: date.days)
  }
}

/// Positions, leaves and counts are kept as `bigint`; more than 2^63 of anything is not foreseen.
func column(_ value: UInt64) throws -> Int64 {
  guard let value = Int64(exactly: value) else {
    throw InvalidChange("a position exceeds what can be stored")
  }
  return value
}

extension PostgresColumns where Self: ~Copyable {
  func unsigned(_ column: Int) throws -> UInt64 {
    guard let value = UInt64(exactly: try get(column, as: Int64.self)) else {
      throw StoreError.unreadable("a position or count is negative")
    }
    return value
  }
}
