import ConsentCore
import ConsentStore
import Postgres
import Testing

@Suite(.fewAtOnce) struct RowSecurityTests {
  private func count(_ connection: PostgresConnection, _ table: String) throws -> Int64 {
    try connection.execute(
      PostgresStatement(name: "count_\(table)", sql: "SELECT count(*) FROM \(table)")
    ).single().get(0)
  }

  private func script(_ text: String) -> String? {
    do {
      let connection = try PostgresConnection(database.server)
      try connection.execute(script: text)
      return nil
    } catch {
      return error.sqlState
    }
  }

  private let database: TestDatabase
  private let bench: Bench

  init() async throws {
    database = try await TestDatabase.shared.value
    bench = try await Backend.postgres.open()
    try await bench.append(Build.patient(random()))
  }

  @Test func aQueryWithoutTheSettingSeesNothing() throws {
    let connection = try PostgresConnection(database.server)
    for table in ["organization", "feed", "patient_version", "idempotency", "data_key"] {
      #expect(try count(connection, table) == 0)
    }
    // The same right after a transaction that had set it: the setting was local to it.
    try connection.transaction { connection in
      try connection.execute(
        script: "SELECT set_config('consentd.organizations', '{\(bench.organization)}', true)")
      let seen = try count(connection, "feed")
      #expect(seen == 1)
    }
    #expect(try count(connection, "feed") == 0)
  }

  /// The broken variant: a login that bypasses row security sees everything, which the test above
  /// would report.
  @Test func theAdministratorWouldSeeEverything() throws {
    let connection = try PostgresConnection(database.administrator())
    let seen = try count(connection, "feed")
    #expect(seen > 0)
  }

  @Test func anotherOrganizationsRowsCannotBeAdded() {
    let other: OrganizationID = random()
    let state = script(
      """
      BEGIN; SELECT set_config('consentd.organizations', '{\(bench.organization)}', true);
      INSERT INTO feed_event VALUES ('\(other)', '\(other)', 1); COMMIT
      """)
    #expect(state == "42501")
  }

  @Test(arguments: [
    "feed", "feed_event", "patient_version", "image_version", "instrument", "consent_grant",
    "grant_end", "revocation", "idempotency", "decision_log", "decision_log_batch", "data_key",
    "patient_identity", "schema_migration", "policy", "use_report", "proof_log", "proof_log_batch",
    "decision_place", "proof_log_subtree", "disclosure",
  ])
  func nothingRecordedCanBeChangedOrDeletedByTheServer(table: String) {
    let key = table == "schema_migration" ? "version = 0" : "organization_id = gen_random_uuid()"
    #expect(script("UPDATE \(table) SET \(key)") == "42501")
    #expect(script("DELETE FROM \(table)") == "42501")
    #expect(script("TRUNCATE \(table)") == "42501")
  }

  /// Merged runs are removed; what stands in one is never changed.
  @Test func runsOfTheLookUpCanBeRemovedByTheirOrganizationAndNeverUpdated() throws {
    let other: OrganizationID = random()
    try database.run(
      """
      INSERT INTO decision_run VALUES ('\(other)', '\(other)', 0, 1, now(), now());
      INSERT INTO decision_run_page VALUES ('\(other)', '\(other)', 1, now(), 0, '')
      """)
    let enter = "SELECT set_config('consentd.organizations', '{\(bench.organization)}', true);"
    for table in ["decision_run", "decision_run_page"] {
      #expect(script("BEGIN; \(enter) DELETE FROM \(table); COMMIT") == nil)
      #expect(script("BEGIN; \(enter) UPDATE \(table) SET run_id = run_id; COMMIT") == "42501")
      #expect(script("TRUNCATE \(table)") == "42501")
    }
    let own = "SELECT set_config('consentd.organizations', '{\(other)}', true);"
    #expect(script("BEGIN; \(own) UPDATE decision_run SET level = 1; COMMIT") == "42501")
    let left = try PostgresConnection(database.administrator()).execute(
      PostgresStatement(
        name: "runs_left",
        sql: """
          SELECT count(*) FROM decision_run r JOIN decision_run_page p USING (run_id)
          WHERE r.organization_id = '\(other)'
          """)
    ).single().get(0, as: Int64.self)
    #expect(left == 1)
  }

  @Test func theLockRowCanBeLockedAndNeverUpdated() {
    let enter = "SELECT set_config('consentd.organizations', '{\(bench.organization)}', true);"
    #expect(script("BEGIN; \(enter) SELECT 1 FROM organization FOR NO KEY UPDATE; COMMIT") == nil)
    #expect(script("BEGIN; \(enter) UPDATE organization SET created = now(); COMMIT") == "42501")
  }

  @Test func everyTableWithAnOrganizationForcesRowSecurity() throws {
    let connection = try PostgresConnection(database.administrator())
    let open = try connection.execute(
      PostgresStatement(
        name: "open_tables",
        sql: """
          SELECT relname FROM pg_class c
          WHERE relnamespace = 'consentd'::regnamespace AND relkind IN ('r', 'p')
            AND relname <> 'schema_migration'
            AND NOT (relrowsecurity AND relforcerowsecurity
              AND pg_get_userbyid(relowner) = 'consentd_owner')
          """)
    ).rows.map { try $0.get(0, as: String.self) }
    #expect(open == [])
    let keys = try connection.execute(
      PostgresStatement(
        name: "keys_without_organization",
        sql: """
          SELECT conname FROM pg_constraint k
          JOIN pg_attribute a ON a.attrelid = k.conrelid AND a.attnum = k.conkey[1]
          WHERE connamespace = 'consentd'::regnamespace AND contype IN ('p', 'f', 'u')
            AND a.attname <> 'organization_id' AND conname <> 'schema_migration_pkey'
          """)
    ).rows.map { try $0.get(0, as: String.self) }
    #expect(keys == [])
  }
}
