/// A UUID as two 64-bit halves, the first byte of the text form being the highest of `high`.
public struct PostgresUUID: Hashable, Sendable {
  public var high: UInt64
  public var low: UInt64

  public init(high: UInt64, low: UInt64) {
    self.high = high
    self.low = low
  }
}

extension PostgresUUID: PostgresScalar {
  public static var postgresType: PostgresType { .uuid }
  public static var postgresArrayType: PostgresType { .uuidArray }

  public func encode(into buffer: inout PostgresBuffer) -> Bool {
    buffer.append(integer: high)
    buffer.append(integer: low)
    return true
  }

  public init?(postgres bytes: RawSpan) {
    var offset = 0
    guard bytes.byteCount == 16, let high = bytes.integer(UInt64.self, at: &offset),
      let low = bytes.integer(UInt64.self, at: &offset)
    else { return nil }
    self.init(high: high, low: low)
  }
}

/// An instant, `timestamptz`: microseconds since 1970-01-01 UTC.
///
/// PostgreSQL counts from 2000-01-01. An instant that does not fit the other count is an encoding or
/// decoding error, never a wrapped number; `±infinity` keep their meaning.
public struct PostgresTimestamp: Hashable, Sendable, Comparable {
  public var microseconds: Int64

  public init(microseconds: Int64) { self.microseconds = microseconds }

  public static let infinity = PostgresTimestamp(microseconds: .max)
  public static let negativeInfinity = PostgresTimestamp(microseconds: .min)

  /// 10 957 days.
  private static let epochDifference: Int64 = 946_684_800_000_000

  public static func < (left: Self, right: Self) -> Bool { left.microseconds < right.microseconds }
}

extension PostgresTimestamp: PostgresScalar {
  public static var postgresType: PostgresType { .timestamptz }
  public static var postgresArrayType: PostgresType { .timestamptzArray }

  public func encode(into buffer: inout PostgresBuffer) -> Bool {
    if self == .infinity || self == .negativeInfinity {
      buffer.append(integer: microseconds)
      return true
    }
    let (value, overflow) = microseconds.subtractingReportingOverflow(Self.epochDifference)
    buffer.append(integer: value)
    return !overflow && value != .min
  }

  public init?(postgres bytes: RawSpan) {
    guard let value = bytes.exactInteger(Int64.self) else { return nil }
    if value == .max || value == .min {
      self.init(microseconds: value)
      return
    }
    let (microseconds, overflow) = value.addingReportingOverflow(Self.epochDifference)
    guard !overflow, microseconds != .max else { return nil }
    self.init(microseconds: microseconds)
  }
}

/// A calendar day, `date`: days since 1970-01-01. `±infinity` are the extreme numbers.
public struct PostgresDate: Hashable, Sendable, Comparable {
  public var days: Int32

  public init(days: Int32) { self.days = days }

  public static let infinity = PostgresDate(days: .max)
  public static let negativeInfinity = PostgresDate(days: .min)

  /// From 1970-01-01 to 2000-01-01.
  private static let epochDifference: Int32 = 10_957

  public static func < (left: Self, right: Self) -> Bool { left.days < right.days }
}

extension PostgresDate: PostgresScalar {
  public static var postgresType: PostgresType { .date }
  public static var postgresArrayType: PostgresType { .dateArray }

  public func encode(into buffer: inout PostgresBuffer) -> Bool {
    if self == .infinity || self == .negativeInfinity {
      buffer.append(integer: days)
      return true
    }
    let (value, overflow) = days.subtractingReportingOverflow(Self.epochDifference)
    buffer.append(integer: value)
    return !overflow && value != .min
  }

  public init?(postgres bytes: RawSpan) {
    guard let value = bytes.exactInteger(Int32.self) else { return nil }
    if value == .max || value == .min {
      self.init(days: value)
      return
    }
    let (days, overflow) = value.addingReportingOverflow(Self.epochDifference)
    guard !overflow, days != .max else { return nil }
    self.init(days: days)
  }
}

/// A JSON document as UTF-8 text. Sent as `jsonb`; read from `jsonb` and `json`.
public struct PostgresJSON: Hashable, Sendable {
  public var utf8: [UInt8]

  public init(utf8: [UInt8]) { self.utf8 = utf8 }

  public init(_ text: String) { utf8 = [UInt8](text.utf8) }
}

extension PostgresJSON: PostgresScalar {
  public static var postgresType: PostgresType { .jsonb }
  public static var postgresArrayType: PostgresType { .jsonbArray }

  /// The one version of binary `jsonb` there is: this byte, then the text.
  private static let version: UInt8 = 1

  public static func decode(
    _ bytes: RawSpan?, type: PostgresType?
  ) throws(PostgresDecodingProblem) -> PostgresJSON {
    guard let bytes else { throw .unexpectedNull }
    if type == .json { return PostgresJSON(utf8: bytes.copyBytes()) }
    try checkType(type)
    guard let value = PostgresJSON(postgres: bytes) else { throw .malformed }
    return value
  }

  public func encode(into buffer: inout PostgresBuffer) -> Bool {
    buffer.append(integer: Self.version)
    buffer.append(bytes: utf8)
    return true
  }

  public init?(postgres bytes: RawSpan) {
    guard bytes.byteCount > 0, unsafe bytes.unsafeLoad(as: UInt8.self) == Self.version else {
      return nil
    }
    self.init(utf8: bytes.extracting(droppingFirst: 1).copyBytes())
  }
}
