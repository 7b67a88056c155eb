import ConsentCore
import Postgres
import Testing

@testable import ConsentStore

/// Appending a batch costs no planning, and keeps no plan that was good for an empty table only.
@Suite(.fewAtOnce) struct KeptPlanTests {
  @Test func batchesArePlannedOnce() async throws {
    let clock = ManualClock()
    let store = try await TestDatabase.shared.value.store(clock: clock)
    let settings = OrganizationSettings(id: random(), name: "Clinic", timeZone: "Etc/UTC")
    try await store.createOrganization(settings)
    let bench = Bench(store: store, organization: settings.id, clock: clock)
    try await bench.append(Build.patient(random()))
    let head = try await bench.read { $0.head }
    for number in 0..<12 {
      let outcome = try await store.append(
        settings.id,
        TakenDecisions(
          [Build.decision(Build.key(number), at: clock.now(), position: head.position)], at: head),
        if: AppendCondition(unlessFactsChangedAbove: head.position, after: head.position))
      guard case .logged = outcome else {
        Issue.record("batch \(number) was not logged")
        continue
      }
    }
    let (generic, custom, settingsLeft) = try await store.deciders.lanes.run { connection in
      let plans = try connection.execute(
        script(
          """
          SELECT sum(generic_plans)::bigint, sum(custom_plans)::bigint
          FROM pg_prepared_statements
          WHERE name LIKE 'append_proof_log_batch%' OR name LIKE 'append_near_head%'
          """)
      ).single()
      let left = try connection.execute(
        script(
          """
          SELECT current_setting('plan_cache_mode') || ' ' || current_setting('enable_seqscan')
            || ' ' || current_setting('enable_sort')
          """)
      ).single()
      return (
        try plans.get(0, as: Int64.self), try plans.get(1, as: Int64.self),
        try left.get(0, as: String.self)
      )
    }
    #expect(generic == 12 && custom == 0)
    // What else runs on the connection is planned as ever.
    #expect(settingsLeft == "auto on on")
  }

  /// A plan made while the log is empty looks its tail up by the key, and by no other index that
  /// begins with the organization: through that one it would walk through all its batches.
  @Test(arguments: [("append_proof_log_batch", ""), ("append_near_head", ", 1, 1001")])
  func rowsAreFoundByTheirKey(statement: String, further: String) async throws {
    let clock = ManualClock()
    let store = try await TestDatabase.shared.value.store(clock: clock)
    let settings = OrganizationSettings(id: random(), name: "Clinic", timeZone: "Etc/UTC")
    try await store.createOrganization(settings)
    let bench = Bench(store: store, organization: settings.id, clock: clock)
    try await bench.append(Build.patient(random()))
    let head = try await bench.read { $0.head }
    for _ in 0..<2 {
      let outcome = try await store.append(
        settings.id,
        TakenDecisions([Build.decision(Build.key(1), at: clock.now(), position: 1)], at: head),
        if: AppendCondition(unlessFactsChangedAbove: 1, after: 1))
      guard case .logged = outcome else {
        Issue.record("the batch was not logged")
        return
      }
    }
    let plan = try await store.deciders.lanes.run { connection in
      try connection.transaction(isolation: .readCommitted) { connection in
        for sql in [
          "SET LOCAL plan_cache_mode = force_generic_plan", "SET LOCAL enable_seqscan = off",
          "SET LOCAL enable_sort = off",
          "SET LOCAL consentd.organizations = '{\(settings.id)}'",
        ] { try connection.execute(script(sql)) }
        let name = try connection.execute(
          script(
            "SELECT name FROM pg_prepared_statements WHERE name LIKE '\(statement)%'")
        ).single().get(0, as: String.self)
        let id = "'\(settings.id)'"
        let nothing = "'\\x'"
        return try connection.execute(
          script(
            """
            EXPLAIN (COSTS OFF) EXECUTE "\(name)"(
              \(id), \(id), 1, 1, 1, \(nothing), \(id), \(nothing), 1, \(nothing), now(), now(), false,
              now(), \(nothing), 1, 1, 0, \(id), \(nothing), 2, \(nothing), 1, ''\(further))
            """)
        ).rows.map { try $0.get(0, as: String.self) }
      }
    }
    let scans = plan.filter { $0.contains("Index") && $0.contains(" on ") }
    #expect(scans.contains { $0.contains("proof_log_batch_p0_pkey") })
    #expect(plan.allSatisfy { !$0.contains("Sort") })
    #expect(scans.allSatisfy { !$0.contains("decided") && !$0.contains("known") }, "\(plan)")
  }

  /// Of a register that grows, too: whatever the connection has kept is made anew now and then.
  @Test func changesArePlannedOnce() async throws {
    let clock = ManualClock()
    let store = try await TestDatabase.shared.value.store(clock: clock)
    let settings = OrganizationSettings(id: random(), name: "Clinic", timeZone: "Etc/UTC")
    try await store.createOrganization(settings)
    let bench = Bench(store: store, organization: settings.id, clock: clock)
    for size in [1, 1, 600, 1, 2_000, 1, 1] {
      let patients = (0..<size).map { _ in random() as PatientID }
      _ = try await store.write(
        settings.id, by: "tester", key: nil, about: patients[0]
      ) { writer in
        for patient in patients { try writer.append(Build.patient(patient)) }
        guard try writer.facts(patients: [patients[0]], asOf: nil).patients.count == 1 else {
          throw StoreError.unreadable("the patient just added")
        }
        return []
      }
    }
    let (generic, custom, made) = try await store.writes.run { connection in
      let plans = try connection.execute(
        script(
          """
          SELECT sum(generic_plans)::bigint, sum(custom_plans)::bigint FROM pg_prepared_statements
          WHERE name ~ '^(insert|keep|lock|head|replies)|_kept$'
          """)
      ).single()
      return (
        try plans.get(0, as: Int64.self), try plans.get(1, as: Int64.self), connection.plansMadeAt
      )
    }
    #expect(generic > 50 && custom == 0)
    #expect(try await bench.read { $0.head.position } == 2_605)
    // Renewed after 600 and after 2,000 more.
    #expect(made == 2_604)
  }

  private func script(_ sql: String) -> PostgresStatement {
    PostgresStatement(name: "test \(sql.hashValue)", sql: sql)
  }
}
