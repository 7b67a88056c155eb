internal import ConsentCore
internal import Postgres

/// What a change does to the queue of due work. Applied after the change's rows are inserted.
struct DueChange {
  private var plan: [GrantID] = []
  private var ended: [GrantID] = []
  private var activated: [GrantID] = []
  private var patients: [PatientID] = []
  private var events: [RecordID] = []
  private var resolutions: [RecordID] = []
  private var overdue: [RecordID] = []

  /// Nothing to do.
  init() {}

  init(_ change: Change) {
    for (record, _) in change.records {
      switch record {
      case .instrument(let instrument): plan += instrument.grants.map(\.id)
      case .patient(let patient): patients.append(patient.id)
      case .expiryEvent: events.append(record.id)
      case .expiryEventResolution: resolutions.append(record.id)
      default: break
      }
    }
    ended = change.ends.map(\.grant)
    for event in change.events {
      switch event.kind {
      case .grantReinstated: plan += event.grants
      case .grantActivated: activated += event.grants
      case .expiryEventOverdue: if let record = event.record { overdue.append(record.id) }
      default: break
      }
    }
  }

  /// Takes work out of the queue that a change before it may have put there.
  var mustFollow: Bool { !activated.isEmpty || !overdue.isEmpty }

  /// INVARIANT: `other` comes later and need not follow. What is planned is worked out from the rows
  /// of all, so that planning once after the last gives what planning after each would.
  mutating func add(contentsOf other: DueChange) {
    plan += other.plan
    ended += other.ended
    activated += other.activated
    patients += other.patients
    events += other.events
    resolutions += other.resolutions
    overdue += other.overdue
  }

  func apply(to pipeline: inout PostgresPipeline, organization: OrganizationID) throws {
    func run<Value>(_ statement: PostgresStatement, _ ids: [ID<Value>]) throws {
      guard !ids.isEmpty else { return }
      try pipeline.execute(statement, organization, ids)
    }
    try run(.dueEnded, ended)
    try run(.dueActivated, activated)
    try run(.dueOverdueTold, overdue)
    try run(.planGrants, plan)
    try run(.forgetMajority, patients)
    try run(.planMajority, patients)
    try run(.planResolutions, resolutions)
    try run(.planOverdue, events)
  }
}

extension PostgresStatement {
  private static let insert = """
    INSERT INTO due_work
      (organization_id, kind, subject_id, cause_id, due, patient_id, instrument_id)
    """
  private static let majority = """
    SELECT g.organization_id, 2, g.grant_id, g.grant_id, v.majority, g.patient_id, g.instrument_id
    FROM live_grant g
    JOIN LATERAL (
      SELECT majority FROM patient_version p
      WHERE p.organization_id = g.organization_id AND p.patient_id = g.patient_id
      ORDER BY version DESC LIMIT 1
    ) v ON v.majority IS NOT NULL
    WHERE g.organization_id = $1 AND g.expiry_kind = 2
    """
  private static let resolved = """
    SELECT g.organization_id, 3, g.grant_id, r.resolution_id, r.counts, g.patient_id,
      g.instrument_id
    FROM live_grant g
    JOIN expiry_event_resolution r
      ON r.organization_id = g.organization_id AND r.event_id = g.expiry_event_id
    WHERE g.organization_id = $1
    """

  fileprivate static let dueEnded = PostgresStatement(
    name: "due_ended",
    sql: """
      DELETE FROM due_work d
      WHERE d.organization_id = $1 AND d.kind IN (1, 2, 3, 5) AND d.subject_id = ANY($2)
        AND NOT EXISTS (
          SELECT FROM live_grant g WHERE g.organization_id = $1 AND g.grant_id = d.subject_id)
      """)
  fileprivate static let dueActivated = PostgresStatement(
    name: "due_activated",
    sql: "DELETE FROM due_work WHERE organization_id = $1 AND kind = 5 AND subject_id = ANY($2)")
  fileprivate static let dueOverdueTold = PostgresStatement(
    name: "due_overdue_told",
    sql: "DELETE FROM due_work WHERE organization_id = $1 AND kind = 4 AND subject_id = ANY($2)")
  fileprivate static let planGrants = PostgresStatement(
    name: "plan_grants",
    sql: """
      \(insert)
      SELECT g.organization_id, 1, g.grant_id, g.grant_id, g.effective_until, g.patient_id,
        g.instrument_id
      FROM live_grant g
      WHERE g.organization_id = $1 AND g.expiry_kind = 1 AND g.grant_id = ANY($2)
      UNION ALL \(majority) AND g.grant_id = ANY($2)
      UNION ALL \(resolved) AND g.grant_id = ANY($2)
      UNION ALL
      SELECT g.organization_id, 5, g.grant_id, g.grant_id, g.effective_from, g.patient_id,
        g.instrument_id
      FROM live_grant g
      WHERE g.organization_id = $1 AND g.grant_id = ANY($2) AND g.effective_from > g.recorded
        AND NOT EXISTS (
          SELECT FROM grant_event t
          WHERE t.organization_id = $1 AND t.grant_id = g.grant_id AND t.kind = 2)
      ON CONFLICT DO NOTHING
      """)
  fileprivate static let forgetMajority = PostgresStatement(
    name: "forget_majority",
    sql: "DELETE FROM due_work WHERE organization_id = $1 AND kind = 2 AND patient_id = ANY($2)")
  fileprivate static let planMajority = PostgresStatement(
    name: "plan_majority",
    sql: "\(insert) \(majority) AND g.patient_id = ANY($2) ON CONFLICT DO NOTHING")
  fileprivate static let planResolutions = PostgresStatement(
    name: "plan_resolutions",
    sql: "\(insert) \(resolved) AND r.resolution_id = ANY($2) ON CONFLICT DO NOTHING")
  fileprivate static let planOverdue = PostgresStatement(
    name: "plan_overdue",
    sql: """
      \(insert)
      SELECT organization_id, 4, event_id, event_id, expected_by, patient_id, NULL
      FROM expiry_event
      WHERE organization_id = $1 AND event_id = ANY($2) AND expected_by IS NOT NULL
      """)
}
