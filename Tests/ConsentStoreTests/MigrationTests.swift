import ConsentStore
import EmbeddedPostgres
import Postgres
import Testing

@Suite(.fewAtOnce) struct MigrationTests {
  private func fresh(_ name: String) async throws -> TestDatabase {
    try await TestDatabase.make(in: .shared(), name: name)
  }

  @Test func theBinaryHoldsEveryFileOfTheSchemaFolder() throws {
    let files = try schemaFiles()
    let embedded = Migration.all.map { migration in
      let digits = String(migration.version)
      return String(repeating: "0", count: 4 - digits.count) + digits + "_\(migration.name).sql"
    }
    #expect(embedded == files.map(\.name))
    for (file, migration) in zip(files, Migration.all) {
      #expect(file.content == migration.sql)
    }
    let versions = Migration.all.map(\.version)
    #expect(zip(versions, versions.dropFirst()).allSatisfy { $0 < $1 })
  }

  @Test func aSecondRunAppliesNothing() async throws {
    let database = try await fresh("migrated_twice")
    #expect(try Migrator().migrate(database.administrator()) == 0)
  }

  @Test func migratorsAtTheSameTimeApplyEachStepOnce() async throws {
    let cluster = try await TemporaryPostgres.shared()
    let database = TestDatabase(cluster: cluster, name: "migrated_together")
    try PostgresConnection(database.administrator(of: "postgres"))
      .execute(script: "CREATE DATABASE migrated_together")
    let applied = try await withThrowingTaskGroup(of: Int.self) { group in
      for _ in 0..<3 { group.addTask { try Migrator().migrate(database.administrator()) } }
      return try await group.reduce(into: [Int]()) { $0.append($1) }
    }
    #expect(applied.sorted() == [0, 0, Migration.all.count])
  }

  @Test func alteredAndUnknownMigrationsAreRefused() async throws {
    let database = try await fresh("migrated_otherwise")
    var altered = Migration.all
    altered[1].sql += Array("\n".utf8)
    #expect(throws: SchemaError.changedChecksum(version: 2)) {
      try Migrator(altered).migrate(database.administrator())
    }
    let newest = try #require(Migration.all.last).version
    #expect(throws: SchemaError.newerSchema(version: newest)) {
      try Migrator(Migration.all.dropLast()).migrate(database.administrator())
    }
    try database.run("UPDATE schema_migration SET sha256 = '\\x00' WHERE version = 3")
    await #expect(throws: SchemaError.changedChecksum(version: 3)) {
      try await database.store(clock: ManualClock())
    }
    try database.run("DELETE FROM schema_migration WHERE version = 3")
    await #expect(throws: SchemaError.notMigrated(missing: 1)) {
      try await database.store(clock: ManualClock())
    }
  }

  @Test func aFailedMigrationLeavesTheDatabaseAsItWas() async throws {
    let database = try await fresh("migrated_half")
    let next = try #require(Migration.all.last).version + 1
    let broken = Migration(
      version: next, name: "broken",
      sql: Array("CREATE TABLE consentd.half (a integer); SELECT 1 / 0".utf8))
    #expect(throws: PostgresError.self) {
      try Migrator(Migration.all + [broken]).migrate(database.administrator())
    }
    #expect(try Migrator().migrate(database.administrator()) == 0)
    #expect(throws: PostgresError.self) { try database.run("SELECT * FROM consentd.half") }
  }

  @Test func theServersPasswordIsSentAsAVerifier() async throws {
    let database = try await fresh("server_password")
    // What a password in clear would become.
    try database.run("ALTER DATABASE server_password SET password_encryption = md5")
    try database.setServerPassword()
    let connection = try PostgresConnection(database.administrator())
    let kept: String = try connection.execute(
      PostgresStatement(
        name: "kept", sql: "SELECT rolpassword FROM pg_catalog.pg_authid WHERE rolname = $1"),
      ServerLogin.role
    ).single().get(0)
    #expect(kept.hasPrefix("SCRAM-SHA-256$"))
    #expect(!kept.contains(TestDatabase.password))
    _ = try PostgresConnection(database.server)
  }

  @Test func aLoginThatBypassesRowSecurityIsRefused() async throws {
    let database = try await TestDatabase.shared.value
    await #expect(throws: StoreError.self) {
      try await PostgresConsentStore.open(
        database.administrator(), clock: ManualClock(),
        options: PostgresConsentStore.Options(masterKeys: [TestDatabase.masterKey]))
    }
  }
}
