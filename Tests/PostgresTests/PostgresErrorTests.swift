import Testing

@testable import Postgres

@Suite(.timeLimit(.minutes(2))) struct PostgresErrorTests {
  @Test func violationsNameTheirConstraintAndNoValue() async throws {
    let connection = try await Database.make().connect()
    try connection.execute(
      script: """
        CREATE TABLE person(name text CONSTRAINT person_pk PRIMARY KEY,
                            age int4 CONSTRAINT age_positive CHECK (age > 0),
                            parent text CONSTRAINT parent_known REFERENCES person)
        """)
    let insert = statement("INSERT INTO person VALUES ($1, $2, $3)", "insert")
    try connection.execute(insert, "Secretname", Int32(1), String?.none)
    let unique = failure { try connection.execute(insert, "Secretname", Int32(1), String?.none) }
    #expect(unique?.isUniqueViolation("person_pk") == true)
    #expect(unique?.isUniqueViolation() == true)
    #expect(unique?.isUniqueViolation("other") == false)
    #expect(unique?.isRetryable == false)
    #expect(unique?.outcomeUnknown == false)
    #expect(unique?.table == "person")
    let check = failure { try connection.execute(insert, "Secretname2", Int32(0), String?.none) }
    #expect(check?.isCheckViolation("age_positive") == true)
    let foreign = failure { try connection.execute(insert, "Secretname3", Int32(1), "Secretx") }
    #expect(foreign?.isForeignKeyViolation("parent_known") == true)
    let cast = failure {
      try connection.execute(statement("SELECT $1::text::int4", "cast"), "Secret4")
    }
    #expect(cast?.sqlState == "22P02")
    let raised = failure {
      try connection.execute(
        script: "DO $$ BEGIN RAISE EXCEPTION 'Secret5'; END $$")
    }
    #expect(raised?.sqlState == "P0001")
    for error in [unique, check, foreign, cast, raised] {
      #expect(error?.description.contains("Secret") == false)
      #expect(String(reflecting: error).contains("Secret") == false)
    }
  }

  @Test func aReadOnlyTransactionSaysSo() async throws {
    let connection = try await Database.make().connect()
    try connection.execute(script: "CREATE TABLE t(n int4)")
    let error = failure {
      try connection.transaction(readOnly: true) {
        _ = try $0.execute(statement("INSERT INTO t VALUES (1)"))
      }
    }
    #expect(error?.isReadOnly == true)
    #expect(try connection.execute(statement("SELECT count(*) FROM t")).single().get(0) == Int64(0))
  }

  @Test func aLockThatIsHeldEndsInALockTimeout() async throws {
    let database = try await Database.make()
    let holder = try database.connect()
    try holder.execute(script: "CREATE TABLE t(n int4)")
    try holder.begin()
    try holder.execute(statement("LOCK TABLE t"))
    var configuration = database.configuration()
    configuration.lockTimeoutMilliseconds = 50
    let other = try PostgresConnection(configuration)
    let error = failure { try other.execute(statement("SELECT * FROM t")) }
    #expect(error?.isLockTimeout == true)
    #expect(error?.isRetryable == true)
  }

  @Test func concurrentUpdatesUnderRepeatableReadAreASerializationFailure() async throws {
    let database = try await Database.make()
    let (first, second) = (try database.connect(), try database.connect())
    try first.execute(script: "CREATE TABLE t(n int4); INSERT INTO t VALUES (1)")
    let error = failure {
      try second.transaction(isolation: .repeatableRead) { second in
        _ = try second.execute(statement("SELECT * FROM t"))
        try first.execute(statement("UPDATE t SET n = 2"))
        _ = try second.execute(statement("UPDATE t SET n = 3"))
      }
    }
    #expect(error?.isSerializationFailure == true)
    #expect(error?.isRetryable == true)
    #expect(error?.outcomeUnknown == false)
  }

  @Test func aStatementPlannedBeforeAChangeOfSchemaIsPreparedAnew() async throws {
    let connection = try await Database.make().connect()
    try connection.execute(script: "CREATE TABLE t(n int4); INSERT INTO t VALUES (1)")
    let all = statement("SELECT * FROM t")
    #expect(try connection.execute(all).columnCount == 1)
    try connection.execute(script: "ALTER TABLE t ADD m int4")
    let error = failure { try connection.execute(all) }
    #expect(error?.isStaleStatement == true)
    #expect(error?.isRetryable == true)
    #expect(try connection.execute(all).columnCount == 2)
    try connection.execute(script: "DEALLOCATE ALL")
    #expect(failure { try connection.execute(all) }?.isStaleStatement == true)
    #expect(try connection.execute(all).columnCount == 2)
  }

  @Test func aNameBelongsToOneTextAndOneListOfTypes() async throws {
    let connection = try await Database.make().connect()
    try connection.execute(statement("SELECT $1::int4", "one"), Int32(1))
    let text = failure { try connection.execute(statement("SELECT $1::int8", "one"), Int32(1)) }
    #expect(text?.kind == .misuse)
    let types = failure { try connection.execute(statement("SELECT $1::int4", "one"), Int64(1)) }
    #expect(types?.kind == .misuse)
  }

  @Test func noticesAreKeptAndNotPrinted() async throws {
    let connection = try await Database.make().connect()
    #expect(connection.takeNotices().isEmpty)
    try connection.execute(
      script: """
        DROP TABLE IF EXISTS nothing;
        DO $$ BEGIN RAISE WARNING 'careful'; END $$;
        """)
    let notices = connection.takeNotices()
    #expect(notices.map(\.severity) == ["NOTICE", "WARNING"])
    #expect(notices.map(\.isWarning) == [false, true])
    #expect(connection.takeNotices().isEmpty)
    try connection.execute(
      script: "DO $$ BEGIN FOR i IN 1..100 LOOP RAISE NOTICE 'n'; END LOOP; END $$")
    #expect(connection.takeNotices().count == 32)
  }

  @Test func noConnectionIsAnErrorThatSaysWhereAndNotThePassword() {
    let error = failure {
      _ = try PostgresConnection(
        PostgresConfiguration(
          conninfo: "host=/nonexistent user=x password=topsecret dbname=y",
          applicationName: "test"))
    }
    #expect(error?.kind == .connectFailed)
    #expect(error?.isConnectionLost == true)
    #expect(error?.isRetryable == true)
    #expect(error?.description.contains("/nonexistent") == true)
    #expect(error?.description.contains("topsecret") == false)
    let nonsense = failure {
      _ = try PostgresConnection(
        PostgresConfiguration(conninfo: "what=ever", applicationName: "test"))
    }
    #expect(nonsense?.kind == .connectFailed)
  }

  @Test(arguments: [
    "postgres://x:Secret@word1@nowhere.invalid/y",
    "postgres://x:Secret/word1@nowhere.invalid/y",
    "postgres://x:Secret?word1@nowhere.invalid/y",
    "postgres://x:Secret%word1@nowhere.invalid/y",
    "postgresql://x:Secretword1@nowhere.invalid:Secretword1/y",
    "host=/nonexistent password=word1 Secret dbname=y",
    "host=Secretword1 password=Secretword1 dbname=y",
  ])
  func noPartOfAPasswordIsInTheErrorOfAMalformedString(conninfo: String) {
    let error = failure {
      _ = try PostgresConnection(
        PostgresConfiguration(conninfo: conninfo, applicationName: "test"))
    }
    #expect(error?.kind == .connectFailed)
    #expect(error?.description.contains("Secret") == false)
    #expect(error?.description.contains("word1") == false)
  }

  @Test func aPercentEncodedPasswordIsReadAndAWholeURIConnects() throws {
    let password = try ConnectionString("postgres://x:a%40b%2Fc@h1:1,h2:2/y?sslmode=disable")
      .password
    #expect(password == "a@b/c")
    #expect(try ConnectionString("host=h password='a b'").password == "a b")
    #expect(try ConnectionString("postgresql:///y?host=/run").password == "")
    #expect(try ConnectionString("y").password == "")
  }

  @Test func theSessionHasTheSettingsThatCorrectnessNeeds() async throws {
    let database = try await Database.makeWhole()
    let admin = try database.connect()
    try admin.execute(
      script: """
        ALTER DATABASE \(database.name) SET synchronous_commit = off;
        ALTER DATABASE \(database.name) SET statement_timeout = 1000;
        ALTER DATABASE \(database.name) SET search_path = nowhere;
        """)
    let connection = try database.connect()
    func setting(_ name: String) throws -> String {
      try connection.execute(statement("SELECT current_setting($1)"), name).single().get(0)
    }
    #expect(try setting("synchronous_commit") == "on")
    #expect(try setting("statement_timeout") == "0")
    #expect(try setting("search_path") == "public")
    #expect(try setting("idle_in_transaction_session_timeout") == "2s")
    #expect(try setting("lock_timeout") == "1s")
    #expect(try setting("client_connection_check_interval") == "1s")
    #expect(try setting("client_encoding") == "UTF8")
    #expect(try setting("application_name") == "test")
    let safety = try connection.safety()
    #expect(safety.objections(requiresStandby: false).isEmpty)
    #expect(safety.objections(requiresStandby: true).count == 1)
    #expect(safety.serverVersion == connection.serverVersion)
    try connection.execute(script: "SET synchronous_commit = off")
    #expect(try connection.safety().objections(requiresStandby: false).count == 1)
  }

  @Test func everySafetyFindingIsAnObjection() {
    let good = PostgresSafety(
      fsync: "on", fullPageWrites: "on", synchronousCommit: "on", isInRecovery: false,
      serverVersion: 150_000, synchronousStandbyNames: "")
    #expect(good.objections(requiresStandby: false) == [])
    let changes: [(inout PostgresSafety) -> Void] = [
      { $0.fsync = "off" }, { $0.fullPageWrites = "off" }, { $0.synchronousCommit = "local" },
      { $0.isInRecovery = true }, { $0.serverVersion = 149_999 },
    ]
    for change in changes {
      var bad = good
      change(&bad)
      #expect(bad.objections(requiresStandby: false).count == 1)
    }
  }
}
