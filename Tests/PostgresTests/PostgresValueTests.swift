import Postgres
import Testing

@Suite(.timeLimit(.minutes(2))) struct PostgresValueTests {
  /// Sends values and reads them back, and lets the server say what it got.
  private func roundTrip<Value: PostgresScalar & Equatable>(
    _ connection: PostgresConnection, _ type: String, _ values: [(Value, String)]
  ) throws {
    let echo = statement("SELECT $1::\(type), $1::\(type)::text", "echo_\(type)")
    for (value, text) in values {
      let row = try connection.execute(echo, value).single()
      #expect(try row.get(0) == value)
      #expect(try row.get(1) == text, "\(type)")
      #expect(try row.get(0, as: Value?.self) == value)
    }
    let null = try connection.execute(echo, Value?.none).single()
    #expect(try null.get(0, as: Value?.self) == nil)
    #expect(failure { _ = try null.get(0, as: Value.self) }?.column == type)

    let all = values.map(\.0)
    let array = statement("SELECT $1::\(type)[], cardinality($1::\(type)[])", "array_\(type)")
    let row = try connection.execute(array, all).single()
    #expect(try row.get(0) == all)
    #expect(try row.get(1) == Int32(all.count))
    let empty = try connection.execute(array, [Value]()).single()
    #expect(try empty.get(0, as: [Value].self).isEmpty)
    let holes: [Value?] = [nil] + all.map { $0 } + [nil]
    let sparse = try connection.execute(array, holes).single()
    #expect(try sparse.get(0) == holes)
    #expect(failure { _ = try sparse.get(0, as: [Value].self) }?.kind == .decoding)
  }

  @Test func everyTypeArrivesAndReturnsUnchanged() async throws {
    let connection = try await Database.make().connect()
    try roundTrip(connection, "bool", [(true, "true"), (false, "false")])
    try roundTrip(connection, "int2", [(Int16.min, "-32768"), (0, "0"), (.max, "32767")])
    try roundTrip(
      connection, "int4", [(Int32.min, "-2147483648"), (-1, "-1"), (.max, "2147483647")])
    try roundTrip(
      connection, "int8",
      [(Int64.min, "-9223372036854775808"), (1, "1"), (.max, "9223372036854775807")])
    try roundTrip(connection, "float8", [(1.5, "1.5"), (-.infinity, "-Infinity"), (0, "0")])
    try roundTrip(connection, "text", [("", ""), ("Å\u{1F9EC}", "Å\u{1F9EC}"), ("'\\", "'\\")])
    try roundTrip(connection, "bytea", [([], "\\x"), ([0, 255, 7], "\\x00ff07")])
    try roundTrip(
      connection, "uuid",
      [
        (PostgresUUID(high: 0, low: 0), "00000000-0000-0000-0000-000000000000"),
        (
          PostgresUUID(high: 0x0123_4567_89ab_cdef, low: 0xfedc_ba98_7654_3210),
          "01234567-89ab-cdef-fedc-ba9876543210"
        ),
        (PostgresUUID(high: .max, low: .max), "ffffffff-ffff-ffff-ffff-ffffffffffff"),
      ])
  }

  @Test func instantsAndDaysCountFrom1970() async throws {
    let connection = try await Database.make().connect()
    try roundTrip(
      connection, "timestamptz",
      [
        (PostgresTimestamp(microseconds: 0), "1970-01-01 00:00:00+00"),
        (PostgresTimestamp(microseconds: -1), "1969-12-31 23:59:59.999999+00"),
        (PostgresTimestamp(microseconds: 946_684_800_000_000), "2000-01-01 00:00:00+00"),
        (.infinity, "infinity"), (.negativeInfinity, "-infinity"),
      ])
    try roundTrip(
      connection, "date",
      [
        (PostgresDate(days: 0), "1970-01-01"), (PostgresDate(days: -1), "1969-12-31"),
        (PostgresDate(days: 10_957), "2000-01-01"),
        (.infinity, "infinity"), (.negativeInfinity, "-infinity"),
      ])
  }

  @Test func instantsThatOneOfTheTwoCountsCannotHoldAreErrors() async throws {
    let connection = try await Database.make().connect()
    let echo = statement("SELECT $1::timestamptz", "echo")
    let early = PostgresTimestamp(microseconds: .min + 1)
    #expect(failure { try connection.execute(echo, early) }?.kind == .misuse)
    let late = try connection.execute(
      statement("SELECT '294276-12-31 23:59:59.999999+00'::timestamptz AS late", "late")
    ).single()
    let error = failure { _ = try late.get(0, as: PostgresTimestamp.self) }
    #expect(error?.kind == .decoding)
    #expect(error?.statement == "late")
    #expect(error?.column == "late")
    let day = statement("SELECT $1::date", "day")
    #expect(failure { try connection.execute(day, PostgresDate(days: .min + 1)) }?.kind == .misuse)
  }

  @Test func jsonIsReadFromBothOfItsTypes() async throws {
    let connection = try await Database.make().connect()
    let row = try connection.execute(
      statement("SELECT $1::jsonb, $1::jsonb::json, NULL::jsonb", "json"),
      PostgresJSON(#"{"a": [1, null]}"#)
    ).single()
    #expect(try row.get(0) == PostgresJSON(#"{"a": [1, null]}"#))
    #expect(try row.get(1) == PostgresJSON(#"{"a": [1, null]}"#))
    #expect(try row.get(2, as: PostgresJSON?.self) == nil)
  }

  @Test func textWithAZeroIsRefusedBeforeItIsSent() async throws {
    let connection = try await Database.make().connect()
    let echo = statement("SELECT $1::text", "echo")
    let error = failure { try connection.execute(echo, "a\0b") }
    #expect(error?.kind == .misuse)
    #expect(failure { try connection.execute(echo, ["ok", "a\0b"]) }?.kind == .misuse)
    #expect(try connection.execute(echo, "ab").single().get(0) == "ab")
  }

  @Test func aColumnOfAnotherTypeIsAnErrorThatNamesIt() async throws {
    let connection = try await Database.make().connect()
    let result = try connection.execute(
      statement("SELECT 1::int4 AS four, 2::int8 AS eight, '{1}'::int4[] AS array", "mixed"))
    let row = try result.single()
    let error = failure { _ = try row.get(0, as: Int64.self) }
    #expect(error?.kind == .decoding)
    #expect(error?.statement == "mixed")
    #expect(error?.column == "four")
    #expect(failure { _ = try row.get("array", as: [Int64].self) }?.column == "array")
    #expect(failure { _ = try row.get("array", as: Int32.self) }?.column == "array")
    #expect(failure { _ = try row.get(3, as: Int32.self) }?.column == "3")
    #expect(failure { _ = try row.get(-1, as: Int32.self) }?.column == "-1")
    #expect(failure { _ = try row.get("nine", as: Int32.self) }?.column == "nine")
    let (four, eight, array) = try row.decode(Int32.self, Int64?.self, [Int32].self)
    #expect(four == 1)
    #expect(eight == 2)
    #expect(array == [1])
  }

  @Test func onlyOneDimensionIsRead() async throws {
    let connection = try await Database.make().connect()
    let row = try connection.execute(
      statement("SELECT '{{1,2},{3,4}}'::int4[], '[5:6]={7,8}'::int4[]", "dimensions")
    ).single()
    #expect(failure { _ = try row.get(0, as: [Int32].self) }?.kind == .decoding)
    #expect(try row.get(1) == [Int32(7), 8])
  }

  @Test func aByteaArrayAndLentBytesHoldTheirBytes() async throws {
    let connection = try await Database.make().connect()
    var parameters = PostgresParameters()
    parameters.append(bytea: [UInt8(1), 2, 3].span.bytes)
    parameters.appendArray(of: [UInt8].self, count: 2) { array in
      array.append { buffer in
        buffer.append(integer: UInt32(0x0102_0304))
        return true
      }
      array.append { _ in true }
    }
    let row = try connection.execute(
      statement("SELECT $1::bytea, $2::bytea[], NULL::bytea", "bytes"), parameters
    ).single()
    #expect(try row.withBytes(0) { $0?.byteCount } == 3)
    #expect(try row.withBytes(2) { $0?.byteCount } == nil)
    #expect(try row.get(1) == [[UInt8(1), 2, 3, 4], []])
  }

  @Test func anArrayWithAnotherNumberOfElementsThanAnnouncedIsNotSent() async throws {
    let connection = try await Database.make().connect()
    var parameters = PostgresParameters()
    parameters.appendArray(of: Int32.self, count: 2) { $0.append { Int32(1).encode(into: &$0) } }
    let echo = statement("SELECT $1::int4[]", "echo")
    #expect(failure { try connection.execute(echo, parameters) }?.kind == .misuse)
  }
}
