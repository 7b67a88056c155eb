import ConsentCore
import ConsentStore
import Postgres
import Testing

/// What only a database can do wrong: bytes at rest, rows that do not read, restarts.
@Suite(.fewAtOnce) struct StorageTests {
  @Test func aNameIsNowhereInTheDatabase() async throws {
    let database = try await TestDatabase.shared.value
    let bench = try await Backend.postgres.open()
    let patient: PatientID = random()
    try await bench.write { writer in
      try writer.put(
        identity: PatientIdentity(
          displayName: "Xanthippe Quillfeather", birthDate: LocalDay(year: 1999, month: 1, day: 2),
          identifiers: [Identifier(system: "urn:mrn", value: "MRN-777-XQ")]),
        of: patient, record: random())
      return []
    }
    let connection = try PostgresConnection(database.administrator())
    func occurrences(_ table: String, _ text: String) throws -> Int64 {
      try connection.execute(
        PostgresStatement(
          name: "find_\(table)",
          sql: """
            SELECT count(*) FROM \(table) t
            WHERE position(convert_to($1, 'UTF8') in convert_to(t::text, 'UTF8')) > 0
              OR position(encode(convert_to($1, 'UTF8'), 'hex') in t::text) > 0
            """), text
      ).single().get(0)
    }
    for text in ["Xanthippe", "xanthippe", "Quillfeather", "MRN-777-XQ"] {
      for table in ["patient_identity", "patient_lookup", "feed", "idempotency"] {
        #expect(try occurrences(table, text) == 0)
      }
    }
    // The search would find it if it were there.
    try connection.execute(script: "CREATE TEMPORARY TABLE leak AS SELECT 'Xanthippe'::bytea AS b")
    #expect(try occurrences("leak", "Xanthippe") == 1)
  }

  @Test func aSealedIdentityMovedToAnotherPatientDoesNotOpen() async throws {
    let database = try await TestDatabase.shared.value
    let bench = try await Backend.postgres.open()
    let (patient, other): (PatientID, PatientID) = (random(), random())
    try await bench.write { writer in
      try writer.put(
        identity: PatientIdentity(displayName: "A", birthDate: nil, identifiers: []), of: patient,
        record: random())
      return []
    }
    try database.run(
      "UPDATE patient_identity SET patient_id = '\(other)' WHERE patient_id = '\(patient)'")
    await #expect(throws: StoreError.self) { try await bench.read { try $0.identity(of: other) } }
  }

  @Test func anotherMasterKeyOpensNothingAndAnEarlierOneStillDoes() async throws {
    let database = try await TestDatabase.shared.value
    let bench = try await Backend.postgres.open()
    let patient: PatientID = random()
    try await bench.write { writer in
      try writer.put(
        identity: PatientIdentity(displayName: "A", birthDate: nil, identifiers: []), of: patient,
        record: random())
      return []
    }
    let other = [UInt8](repeating: 8, count: 32)
    let stranger = try await database.store(clock: bench.clock, masterKeys: [other])
    await #expect(throws: StoreError.self) {
      try await stranger.read(bench.organization) { try $0.identity(of: patient) }
    }
    let rotated = try await database.store(
      clock: bench.clock, masterKeys: [other, TestDatabase.masterKey])
    let identity = try await rotated.read(bench.organization) { try $0.identity(of: patient) }
    #expect(identity?.displayName == "A")
    await stranger.close()
    await rotated.close()
    await #expect(throws: StoreError.self) {
      try await database.store(clock: bench.clock, masterKeys: [[1, 2, 3]])
    }
  }

  @Test(arguments: [
    (
      "UPDATE instrument SET body = '{\"of\": \"another version\"}'",
      [Use.consultation, .education]
    ),
    ("UPDATE instrument SET body = '{}', uses = 1 << 30", [nil]),
    ("UPDATE instrument SET grant_count = 2", [Use.consultation, .education]),
    ("UPDATE consent_grant SET scope_kind = 9", [Use.consultation, .education]),
    ("UPDATE consent_grant SET recipients = '[{\"kind\": 99}]'", [Use.consultation, .education]),
    ("UPDATE image_version SET kind = 99", [nil]),
    ("UPDATE image_version SET image_key = 'film:1'", [nil]),
    ("UPDATE image_version SET source_count = 3", [nil]),
    ("UPDATE determination SET body = '[]'", [nil]),
    (
      "UPDATE revocation SET body = jsonb_set(body, '{patient}', to_jsonb(gen_random_uuid()))",
      [nil]
    ),
  ])
  func aRecordThatDoesNotReadRestrictsItsPatient(change: String, uses: [Use?]) async throws {
    let database = try await TestDatabase.shared.value
    let bench = try await Backend.postgres.open()
    let patient: PatientID = random()
    let instrument = Build.instrument(of: patient, [Build.grant()])
    try await bench.append(Build.record(instrument))
    try await bench.append(Build.register(Build.image(Build.key(1), of: patient)))
    let revocation = Revocation(
      id: random(), patient: patient, grants: [instrument.grants[0].id], method: .written,
      signer: Signer(capacity: .individual), signed: SignedTime(day: LocalDay(daysSince1970: 1)),
      received: Instant(microseconds: 1))
    try await bench.append(Build.change(.revocation(revocation), .grantRevoked))
    let determination = Determination(
      id: random(), image: Build.key(1), method: .safeHarbor, by: "x",
      determined: Instant(microseconds: 0))
    try await bench.append(Build.change(.determination(determination), .deidentificationDetermined))
    #expect(
      try await bench.read { try $0.facts(patients: [patient], asOf: nil) }.unevaluable.isEmpty)

    try database.run(change + " WHERE organization_id = '\(bench.organization)'")
    let facts = try await bench.read { try $0.facts(patients: [patient], asOf: nil) }
    #expect(facts.unevaluable.map(\.use) == uses)
    #expect(facts.unevaluable.allSatisfy { $0.patient == patient && $0.stamp.by == "tester" })
    let readable =
      facts.images.count + facts.instruments.count + facts.revocations.count
      + facts.determinations.count
    #expect(readable < 4)
  }

  @Test func anUnreadablePolicyStopsTheOrganization() async throws {
    let database = try await TestDatabase.shared.value
    let bench = try await Backend.postgres.open()
    try await bench.append(
      Build.change(
        .policy(Policy(recordID: random(), version: 1, effective: .distantPast)), .policyChanged))
    try database.run(
      "UPDATE policy SET body = '{}' WHERE organization_id = '\(bench.organization)'")
    await #expect(throws: StoreError.self) {
      try await bench.read { try $0.facts(images: [], asOf: nil) }
    }
  }

  @Test func aValueThatCannotBeStoredIsTheCallersError() async throws {
    let bench = try await Backend.postgres.open()
    for text in ["a\u{0}b"] {
      await #expect(throws: InvalidChange.self) {
        try await bench.append(Change(events: [Build.event(.documentStored, text)]))
      }
    }
    await #expect(throws: InvalidChange.self) {
      try await bench.append(
        Build.patient(random(), majority: Instant(microseconds: .min + 1)))
    }
    #expect(try await bench.append(Build.patient(random())) == [1])
  }

  @Test func aSecondStoreSeesWhatTheFirstCommitted() async throws {
    let database = try await TestDatabase.shared.value
    let bench = try await Backend.postgres.open()
    let patient: PatientID = random()
    try await bench.append(Build.patient(patient))
    let second = try await database.store(clock: bench.clock)
    #expect(
      try await second.read(bench.organization) { try $0.patients(after: nil, limit: 9) } == [
        patient
      ])
    await second.close()
  }

  /// The broken variant of a writer: it takes no lock and trusts the head it read. The check of the
  /// conformance suite must see what it does.
  @Test func aWriterWithoutTheLockBreaksTheChainAndIsCaught() async throws {
    let database = try await TestDatabase.shared.value
    let bench = try await Backend.postgres.open()
    try await bench.append(Build.patient(random()))
    let stale = try await bench.read { $0.head }
    try await bench.append(Build.patient(random()))

    let event = Build.event(.documentStored)
    let id = FeedChain.eventID(
      organization: bench.organization, kind: event.kind, subject: event.subject)
    let chain = FeedChain.next(
      after: stale.chain, organization: bench.organization, position: 3, known: stale.known,
      eventID: id, event: event, by: "tester")
    let hex = chain.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
    try database.run(
      """
      INSERT INTO feed SELECT organization_id, 3, '\\x\(hex)', known, 2, '\(id)', \(event.kind.rawValue),
        'tester', jsonb_set(event, '{kind}', '26') || '{"subject": "\(event.subject)"}'
      FROM feed WHERE organization_id = '\(bench.organization)' AND position = 2
      """)
    let rows = try await bench.read { try $0.feed(after: 0, limit: 9) }
    #expect(chainFault(rows, organization: bench.organization) != nil)
    #expect(throws: PostgresError.self) {
      // A second row at a position that is taken is refused by the feed's key.
      try database.run(
        "INSERT INTO feed SELECT * FROM feed WHERE organization_id = '\(bench.organization)'")
    }
  }
}
