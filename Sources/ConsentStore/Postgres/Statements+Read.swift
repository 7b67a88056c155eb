internal import ConsentCore
internal import Postgres

// $1 is the organization everywhere: row security is the second guard, not the first.
extension PostgresStatement {
  static let imagesOfStudy = imagesOf("study_uid")
  static let imagesOfSeries = imagesOf("series_uid")

  /// Images whose newest version lies in the study or series.
  private static func imagesOf(_ column: String) -> PostgresStatement {
    PostgresStatement(
      name: "images_of_\(column)",
      sql: """
        SELECT v.image_key FROM image_version v
        WHERE v.organization_id = $1 AND v.\(column) = $2
          AND NOT EXISTS (
            SELECT FROM image_version newer
            WHERE newer.organization_id = $1 AND newer.image_key = v.image_key
              AND newer.version > v.version)
        ORDER BY v.image_key
        """)
  }

  static let patientsAfter = PostgresStatement(
    name: "patients_after",
    sql: """
      SELECT DISTINCT patient_id FROM patient_version
      WHERE organization_id = $1 AND (patient_id > $2 OR $3) ORDER BY patient_id LIMIT $4
      """)
  static let patientOfGrant = PostgresStatement(
    name: "patient_of_grant",
    sql: "SELECT patient_id FROM consent_grant WHERE organization_id = $1 AND grant_id = $2")
  static let patientOfImageVersion = PostgresStatement(
    name: "patient_of_image_version",
    sql: "SELECT patient_id FROM image_version WHERE organization_id = $1 AND record_id = $2")
  static let patientOfImage = PostgresStatement(
    name: "patient_of_image",
    sql: """
      SELECT patient_id FROM image_version WHERE organization_id = $1 AND image_key = $2
      ORDER BY version DESC LIMIT 1
      """)

  /// Patient, other patient and image a record is about.
  static func subject(_ kind: RecordKind) -> PostgresStatement {
    let nobody = "NULL::uuid, NULL::uuid, NULL::text"
    let onePatient = "patient_id, NULL::uuid, NULL::text"
    let oneImage = "NULL::uuid, NULL::uuid, image_key"
    let (columns, table, key) =
      switch kind {
      case .patient: (onePatient, "patient_version", "record_id")
      case .merge: ("survivor_id, merged_id, NULL::text", "patient_merge", "merge_id")
      case .unmerge:
        (
          "survivor_id, merged_id, NULL::text",
          "patient_unmerge JOIN patient_merge USING (organization_id, merge_id)", "unmerge_id"
        )
      case .image: (oneImage, "image_version", "record_id")
      case .form: (nobody, "form", "record_id")
      case .instrument: (onePatient, "instrument", "instrument_id")
      case .revocation: (onePatient, "revocation", "revocation_id")
      case .enteredInError:
        ("patient_id, other_patient_id, image_key", "entered_in_error", "entry_id")
      case .falseInformation: (onePatient, "false_information", "report_id")
      case .authorityEvidence: (onePatient, "authority_evidence", "evidence_id")
      case .restrictionEnd: (onePatient, "restriction_end", "end_id")
      case .expiryEvent: (onePatient, "expiry_event", "event_id")
      case .expiryEventResolution:
        (
          onePatient,
          "expiry_event_resolution JOIN (SELECT organization_id, event_id, patient_id "
            + "FROM expiry_event) e USING (organization_id, event_id)", "resolution_id"
        )
      case .determination: (oneImage, "determination", "determination_id")
      case .determinationWithdrawal: (oneImage, "determination_withdrawal", "withdrawal_id")
      case .policy: (nobody, "policy", "record_id")
      }
    return PostgresStatement(
      name: "subject_\(kind.rawValue)",
      sql: "SELECT \(columns) FROM \(table) WHERE organization_id = $1 AND \(key) = $2")
  }

  static let positionKnownAt = PostgresStatement(
    name: "position_known_at",
    sql: """
      SELECT position FROM feed WHERE organization_id = $1 AND known <= $2
      ORDER BY known DESC, position DESC LIMIT 1
      """)
  static let feedAfter = PostgresStatement(
    name: "feed_after",
    sql: """
      SELECT position, chain, known, event_id, event, recorded_by FROM feed
      WHERE organization_id = $1 AND position > $2 ORDER BY position LIMIT $3
      """)
  static let head = PostgresStatement(
    name: "head",
    sql: """
      SELECT position, chain, known, fact_position FROM feed WHERE organization_id = $1
      ORDER BY position DESC LIMIT 1
      """)
  static let headAt = PostgresStatement(
    name: "head_at",
    sql: """
      SELECT position, chain, known, fact_position FROM feed
      WHERE organization_id = $1 AND position = $2
      """)
  static let hasEvent = PostgresStatement(
    name: "has_event",
    sql: "SELECT position FROM feed_event WHERE organization_id = $1 AND event_id = $2")
  static let grantEnds = PostgresStatement(
    name: "grant_ends",
    sql: """
      SELECT grant_id, version, kind, ended FROM grant_end
      WHERE organization_id = $1 AND grant_id = ANY($2) ORDER BY grant_id, version
      """)
  static let patientsDue = PostgresStatement(
    name: "patients_due",
    sql: """
      SELECT patient_id FROM due_candidate WHERE organization_id = $1 AND due <= $2
      GROUP BY patient_id ORDER BY min(due), patient_id LIMIT $3
      """)
  /// From here to the end of the transaction.
  static let planOnce = PostgresStatement(
    name: "plan_once",
    sql: "SELECT pg_catalog.set_config('plan_cache_mode', 'force_generic_plan', true)")
  static let nextDue = PostgresStatement(
    name: "next_due",
    sql: "SELECT min(due) FROM due_candidate WHERE organization_id = $1 AND due > $2")
}
