import Postgres
import Testing

@Suite(.timeLimit(.minutes(2))) struct PostgresPipelineTests {
  private struct Stop: Error {}

  private let insert = statement("INSERT INTO t VALUES ($1)", "insert")
  private let count = statement("SELECT count(*) FROM t", "count")
  private let divide = statement("SELECT 10 / $1", "divide")

  private func connect() async throws -> PostgresConnection {
    let connection = try await Database.make().connect()
    try connection.execute(script: "CREATE TABLE t(n int4 CONSTRAINT t_pk PRIMARY KEY)")
    return connection
  }

  private func rows(_ connection: PostgresConnection) throws -> Int64 {
    try connection.execute(count).single().get(0)
  }

  @Test func answersComeInTheOrderOfTheStatements() async throws {
    let connection = try await connect()
    for _ in 0..<2 {
      let results = try connection.pipeline { pipeline in
        for number in 1...5 { try pipeline.execute(divide, Int32(number)) }
      }
      #expect(results.count == 5)
      for (index, quotient) in [Int32(10), 5, 3, 2, 2].enumerated() {
        #expect(try results.result(index).single().get(0) == quotient)
      }
    }
  }

  @Test func aFailingStatementSkipsTheRestAndUndoesTheWhole() async throws {
    let connection = try await connect()
    var failing: PostgresPipeline.Slot?
    let results = try connection.pipeline { pipeline in
      try pipeline.execute(insert, Int32(1))
      failing = try pipeline.execute(divide, Int32(0))
      try pipeline.execute(insert, Int32(2))
    }
    #expect(throws: Never.self) { try results.result(0) }
    #expect(failure { _ = try results.result(try #require(failing)) }?.sqlState == "22012")
    #expect(failure { _ = try results.result(2) }?.statement == "insert")
    #expect(results.firstFailure?.statement == "divide")
    #expect(results.firstFailure?.outcomeUnknown == false)
    #expect(try rows(connection) == 0)
  }

  @Test func aStatementThatCannotBePreparedTellsWhyAndCanBeMendedLater() async throws {
    let connection = try await connect()
    let later = statement("SELECT m FROM later", "later")
    let results = try connection.pipeline { pipeline in
      try pipeline.execute(divide, Int32(1))
      try pipeline.execute(later)
      try pipeline.execute(divide, Int32(2))
    }
    #expect(failure { _ = try results.result(1) }?.sqlState == "42P01")
    try connection.execute(script: "CREATE TABLE later(m int4)")
    #expect(try connection.execute(later).rowCount == 0)
  }

  @Test func aPipelinedTransactionCommitsAllOrNothing() async throws {
    let connection = try await connect()
    let results = try connection.pipelinedTransaction { pipeline in
      try pipeline.execute(insert, Int32(1))
      try pipeline.execute(count)
    }
    #expect(try results.result(1).single().get(0) == Int64(1))
    let error = failure {
      try connection.pipelinedTransaction { pipeline in
        try pipeline.execute(insert, Int32(2))
        try pipeline.execute(insert, Int32(1))
        try pipeline.execute(insert, Int32(3))
      }
    }
    #expect(error?.isUniqueViolation("t_pk") == true)
    #expect(error?.outcomeUnknown == false)
    #expect(try rows(connection) == 1)
  }

  @Test func aTransactionBeginsWithAPipelineAndCommitsAfterAnother() async throws {
    let connection = try await connect()
    let begun = try connection.begin(isolation: .readCommitted) { pipeline in
      try pipeline.execute(insert, Int32(1))
      try pipeline.execute(count)
    }
    #expect(try begun.result(1).single().get(0) == Int64(1))
    #expect(failure { _ = try connection.begin(isolation: .readCommitted) { _ in } } != nil)
    try connection.commit { try $0.execute(insert, Int32(2)) }
    #expect(try rows(connection) == 2)

    _ = try connection.begin(isolation: .readCommitted) { try $0.execute(insert, Int32(3)) }
    let error = failure {
      try connection.commit { pipeline in
        try pipeline.execute(insert, Int32(1))
        try pipeline.execute(insert, Int32(4))
      }
    }
    #expect(error?.isUniqueViolation("t_pk") == true)
    #expect(error?.outcomeUnknown == false)
    #expect(failure { try connection.commit { _ in } } != nil)
    #expect(!connection.isBroken)
    #expect(try rows(connection) == 2)
  }

  @Test func anErrorFoundOnlyAtCommitIsAnErrorOfTheTransaction() async throws {
    let connection = try await connect()
    try connection.execute(
      script: """
        CREATE TABLE child(n int4 CONSTRAINT child_known REFERENCES t
                           DEFERRABLE INITIALLY DEFERRED)
        """)
    let child = statement("INSERT INTO child VALUES (7)", "child")
    let pipelined = failure {
      try connection.pipelinedTransaction { try $0.execute(child) }
    }
    #expect(pipelined?.isForeignKeyViolation("child_known") == true)
    #expect(pipelined?.outcomeUnknown == false)
    let plain = failure { try connection.transaction { _ = try $0.execute(child) } }
    #expect(plain?.isForeignKeyViolation("child_known") == true)
    #expect(plain?.outcomeUnknown == false)
    let alone = failure { try connection.execute(child) }
    #expect(alone?.isForeignKeyViolation("child_known") == true)
    let implicit = failure { try connection.pipeline { try $0.execute(child) } }
    #expect(implicit?.isForeignKeyViolation("child_known") == true)
    #expect(!connection.isBroken)
    #expect(try rows(connection) == 0)
  }

  @Test func abandoningAPipelinedTransactionUndoesItAndKeepsTheConnection() async throws {
    let connection = try await connect()
    #expect(throws: Stop.self) {
      try connection.pipelinedTransaction { pipeline in
        try pipeline.execute(insert, Int32(1))
        throw Stop()
      }
    }
    #expect(!connection.isBroken)
    #expect(try rows(connection) == 0)
    try connection.pipelinedTransaction { try $0.execute(insert, Int32(1)) }
    #expect(try rows(connection) == 1)
  }

  @Test func abandoningAPipelineThatWouldCommitClosesTheConnection() async throws {
    let database = try await Database.make()
    let connection = try database.connect()
    try connection.execute(script: "CREATE TABLE t(n int4)")
    #expect(throws: Stop.self) {
      try connection.pipeline { pipeline in
        try pipeline.execute(insert, Int32(1))
        throw Stop()
      }
    }
    #expect(connection.isBroken)
    #expect(failure { try connection.execute(count) }?.kind == .connectionLost)
    #expect(try database.connect().execute(count).single().get(0) == Int64(0))
  }

  @Test func aPipelineInsideATransactionBelongsToIt() async throws {
    let connection = try await connect()
    #expect(throws: Stop.self) {
      try connection.transaction { connection in
        try connection.pipeline { try $0.execute(insert, Int32(1)) }
        #expect(try rows(connection) == 1)
        throw Stop()
      }
    }
    #expect(try rows(connection) == 0)
  }

  @Test func anEmptyPipelineIsNothing() async throws {
    let connection = try await connect()
    #expect(try connection.pipeline { _ in }.count == 0)
    #expect(try connection.pipelinedTransaction { _ in }.count == 0)
    #expect(try rows(connection) == 0)
  }

  @Test func moreThanBothSidesCanBufferDoesNotBlock() async throws {
    let connection = try await connect()
    let echo = statement("SELECT $1::bytea", "echo")
    let megabyte = [UInt8](repeating: 7, count: 1 << 20)
    let results = try connection.pipeline { pipeline in
      for _ in 0..<24 { try pipeline.execute(echo, megabyte) }
    }
    for index in 0..<24 {
      #expect(try results.result(index).single().withBytes(0) { $0?.byteCount } == 1 << 20)
    }
  }

  @Test func hundredsOfArrayElementsTravelInOneStatement() async throws {
    let connection = try await connect()
    let many = statement("INSERT INTO t SELECT unnest($1::int4[])", "many")
    var parameters = PostgresParameters()
    for round in 0..<3 {
      parameters.removeAll()
      parameters.append(array: (0..<Int32(500)).map { $0 + Int32(round) * 500 })
      let results = try connection.pipelinedTransaction { try $0.execute(many, parameters) }
      #expect(try results.result(0).affectedRows == 500)
    }
    #expect(try rows(connection) == 1_500)
  }
}
