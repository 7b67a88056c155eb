import Postgres
import Testing

@Suite(.timeLimit(.minutes(2))) struct PostgresCopyTests {
  private struct Stop: Error {}

  private let copyIn = statement("COPY t FROM STDIN (FORMAT binary)", "copy_in")
  private let copyOut = statement("COPY (SELECT * FROM t ORDER BY n) TO STDOUT (FORMAT binary)")
  private let count = statement("SELECT count(*) FROM t", "count")

  private func connect() async throws -> PostgresConnection {
    let connection = try await Database.make().connect()
    try connection.execute(
      script: "CREATE TABLE t(n int4 CONSTRAINT t_pk PRIMARY KEY, label text, body bytea)")
    return connection
  }

  @Test func rowsGoInAndComeOutUnchanged() async throws {
    let connection = try await connect()
    let body = [UInt8](repeating: 9, count: 100)
    let taken = try connection.copyIn(copyIn) { writer in
      for number in 0..<Int32(20_000) {
        try writer.row(number, number % 2 == 0 ? "even" : nil, body)
      }
    }
    #expect(taken == 20_000)
    var next = Int32(0)
    let given = try connection.copyOut(copyOut) { row in
      let number = try row.get(0, as: Int32.self)
      let label = try row.get(1, as: String?.self)
      let size = try row.withBytes(2) { $0?.byteCount }
      let isRight = number == next && label == (number % 2 == 0 ? "even" : nil) && size == 100
      if !isRight { Issue.record("row \(number)") }
      next += 1
    }
    #expect(given == 20_000)
    #expect(next == 20_000)
  }

  @Test func noRowsAreRowsToo() async throws {
    let connection = try await connect()
    #expect(try connection.copyIn(copyIn) { _ in } == 0)
    #expect(try connection.copyOut(copyOut) { _ in } == 0)
  }

  @Test func aBodyThatThrowsLeavesNoRowAndAUsableConnection() async throws {
    let connection = try await connect()
    #expect(throws: Stop.self) {
      try connection.copyIn(copyIn) { writer in
        try writer.row(Int32(1), "a", [UInt8]())
        throw Stop()
      }
    }
    #expect(!connection.isBroken)
    #expect(try connection.execute(count).single().get(0) == Int64(0))
  }

  @Test func aRowTheServerRefusesIsItsError() async throws {
    let connection = try await connect()
    let unique = failure {
      try connection.copyIn(copyIn) { writer in
        for number in [Int32(1), 2, 1] { try writer.row(number, "a", [UInt8]()) }
      }
    }
    #expect(unique?.isUniqueViolation("t_pk") == true)
    #expect(unique?.outcomeUnknown == false)
    let columns = failure {
      try connection.copyIn(copyIn) { try $0.row(Int32(1)) }
    }
    #expect(columns?.kind == .server)
    #expect(try connection.execute(count).single().get(0) == Int64(0))
  }

  @Test func aReaderThatStopsGivesUpTheConnection() async throws {
    let connection = try await connect()
    try connection.execute(script: "INSERT INTO t SELECT g FROM generate_series(1, 50000) g")
    #expect(throws: Stop.self) { try connection.copyOut(copyOut) { _ in throw Stop() } }
    #expect(connection.isBroken)
  }

  @Test func onlyCopyIsCopiedAndOnlyInItsDirection() async throws {
    let connection = try await connect()
    #expect(failure { try connection.copyIn(count) { _ in } }?.kind == .misuse)
    #expect(
      failure {
        try connection.copyIn(statement("COPY nowhere FROM STDIN (FORMAT binary)")) { _ in }
      }?.sqlState == "42P01")
    #expect(try connection.execute(count).single().get(0) == Int64(0))
    #expect(failure { try connection.copyIn(copyOut) { _ in } }?.kind == .misuse)
  }

  @Test func aCopyInAScriptIsRefused() async throws {
    let connection = try await connect()
    #expect(failure { try connection.execute(script: "COPY t FROM STDIN") }?.kind == .misuse)
    #expect(connection.isBroken)
  }

  @Test func aTemporaryTableTakesAnImportInsideATransaction() async throws {
    let connection = try await connect()
    try connection.transaction { connection in
      try connection.execute(statement("CREATE TEMP TABLE import(n int4) ON COMMIT DROP"))
      try connection.copyIn(statement("COPY import FROM STDIN (FORMAT binary)")) { writer in
        for number in 0..<Int32(10) { try writer.row(number) }
      }
      try connection.execute(statement("INSERT INTO t SELECT n FROM import"))
    }
    #expect(try connection.execute(count).single().get(0) == Int64(10))
  }
}
