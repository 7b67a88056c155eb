internal import Postgres

// $1 organization, $2 position, $3 patients, $4 images.
extension PostgresStatement {
  /// The patients and images that a decision about some of them may see: merged patients (undone
  /// merges too), their images, the sources of these, and whom all of them belong or belonged to.
  static let concerned = PostgresStatement(
    name: "concerned",
    sql: """
      \(concernedOnes)
      SELECT patient_id, NULL::text FROM owner
      UNION ALL
      SELECT NULL::uuid, image_key FROM lineage
      """)

  /// The same, kept for the statements after it in the transaction, so that all go in one round
  /// trip.
  static let keepConcerned = PostgresStatement(
    name: "keep_concerned",
    sql: """
      \(concernedOnes)
      SELECT
        pg_catalog.set_config(
          'consentd.patients', ARRAY(SELECT patient_id FROM owner)::text, true),
        pg_catalog.set_config('consentd.images', ARRAY(SELECT image_key FROM lineage)::text, true)
      """)

  /// Reads of the patients and images kept, not of organization-wide expiry events.
  ///
  /// - Parameter third: which of the two $3 is.
  fileprivate func ofKept(_ third: String = "patients") -> PostgresStatement {
    func kept(_ name: String, _ type: String) -> String {
      "ANY ((SELECT pg_catalog.current_setting('consentd.\(name)')::\(type)[])::\(type)[])"
    }
    return PostgresStatement(
      name: name + "_kept",
      sql: sql.replacing("ANY($3)", with: kept(third, third == "images" ? "text" : "uuid"))
        .replacing("ANY($4)", with: kept("images", "text")).replacing("$5", with: "false"))
  }

  static let keptPapers = papers.ofKept()
  static let keptGrants = grants.ofKept()
  static let keptPatients = patients.ofKept()
  static let keptMerges = merges.ofKept()
  static let keptSources = sources.ofKept("images")
  static let keptImages = images.ofKept("images")

  private static let concernedOnes = """
    WITH RECURSIVE edge AS NOT MATERIALIZED (
      SELECT survivor_id AS one, merged_id AS other FROM patient_merge
      WHERE organization_id = $1 AND position <= $2
      UNION ALL
      SELECT merged_id, survivor_id FROM patient_merge
      WHERE organization_id = $1 AND position <= $2
    ), member (patient_id) AS (
      SELECT unnest($3::uuid[])
      UNION
      SELECT e.other FROM member m JOIN edge e ON e.one = m.patient_id
    ), key (image_key) AS (
      SELECT unnest($4::text[]) COLLATE "C"
      UNION
      SELECT v.image_key FROM member m
      JOIN image_version v
        ON v.organization_id = $1 AND v.patient_id = m.patient_id AND v.position <= $2
    ), lineage (image_key) AS (
      SELECT image_key FROM key
      UNION
      SELECT s.source_key FROM lineage l
      JOIN image_source s
        ON s.organization_id = $1 AND s.image_key = l.image_key AND s.position <= $2
    ), owner (patient_id) AS (
      -- An array and not a join: of a join with a recursive list the planner expects so much that
      -- it reads the whole register.
      (SELECT patient_id FROM member
       UNION
       SELECT v.patient_id FROM image_version v
       WHERE v.organization_id = $1 AND v.position <= $2
         AND v.image_key = ANY (ARRAY(SELECT image_key FROM lineage)))
      UNION
      SELECT e.other FROM owner o JOIN edge e ON e.one = o.patient_id
    )
    """

  static let holdsPart2 = PostgresStatement(
    name: "holds_part2",
    sql: """
      SELECT EXISTS (
        SELECT FROM image_version
        WHERE organization_id = $1 AND position <= $2 AND part2_value IS NOT NULL)
      """)

  static let patients = PostgresStatement(
    name: "patient_versions",
    sql: """
      SELECT record_id, patient_id, version, majority, time_zone_data_version, position, recorded,
        recorded_by, majority_day
      FROM patient_version
      WHERE organization_id = $1 AND position <= $2 AND patient_id = ANY($3)
      ORDER BY position, record_id
      """)

  static let merges = PostgresStatement(
    name: "patient_merges",
    sql: """
      SELECT merge_id, survivor_id, merged_id, position, recorded, recorded_by, note
      FROM patient_merge
      WHERE organization_id = $1 AND position <= $2
        AND (survivor_id = ANY($3) OR merged_id = ANY($3))
      ORDER BY position, merge_id
      """)

  static let sources = PostgresStatement(
    name: "image_sources",
    sql: """
      SELECT image_key, version, source_key FROM image_source
      WHERE organization_id = $1 AND position <= $2 AND image_key = ANY($3)
      ORDER BY image_key, version, ordinal
      """)

  static let images = PostgresStatement(
    name: "image_versions",
    sql: """
      SELECT image_key, version, record_id, patient_id, kind, study_uid, series_uid, sop_class_uid,
        modality, body_part, laterality, acquired_day, acquired, accession_system, accession_value,
        encounter, department, site, fhir_reference, identity_removed, burned_in_annotation,
        recognizable_visual_features, part2_system, part2_value, source_count, first_recorded,
        position, recorded, recorded_by, note
      FROM image_version
      WHERE organization_id = $1 AND position <= $2 AND image_key = ANY($3)
      ORDER BY position, record_id
      """)

  static let grants = PostgresStatement(
    name: "grants",
    sql: """
      SELECT instrument_id, grant_id, part, effect, scope_kind, scope_key, present_only, uses,
        audiences, channels, recipients, disclosers, effective_from, expiry_kind, expiry_day,
        effective_until, expiry_event_id, without_derivatives, obligations
      FROM consent_grant
      WHERE organization_id = $1 AND position <= $2 AND patient_id = ANY($3)
      ORDER BY instrument_id, line
      """)

  /// Every record that has a body. $5: all organization-wide expiry events.
  static let papers = PostgresStatement(
    name: "papers",
    sql: """
      WITH named AS MATERIALIZED (
        SELECT e.* FROM expiry_event e
        WHERE e.organization_id = $1 AND e.position <= $2
          AND (e.patient_id = ANY($3) OR ($5 AND e.patient_id IS NULL)
            OR e.event_id IN (
              SELECT g.expiry_event_id FROM consent_grant g
              WHERE g.organization_id = $1 AND g.position <= $2 AND g.patient_id = ANY($3)
                AND g.expiry_event_id IS NOT NULL))
      )
      \(papers(3, "unmerge_id", "m.survivor_id, m.merged_id, NULL",
        "patient_unmerge p JOIN patient_merge m USING (organization_id, merge_id)",
        "(m.survivor_id = ANY($3) OR m.merged_id = ANY($3))"))
      UNION ALL \(papers(5, "record_id", "NULL, NULL, NULL", "form p", "true"))
      UNION ALL \(papers(16, "record_id", "NULL, NULL, NULL", "policy p", "true"))
      UNION ALL \(papers(6, "instrument_id", patient, "instrument p", ofPatient,
        uses: "p.uses, p.grant_count"))
      UNION ALL \(papers(7, "revocation_id", patient, "revocation p", ofPatient))
      UNION ALL \(papers(8, "entry_id", "p.patient_id, p.other_patient_id, p.image_key",
        "entered_in_error p",
        "(p.patient_id = ANY($3) OR p.other_patient_id = ANY($3) OR p.image_key = ANY($4)"
          + " OR (p.patient_id IS NULL AND p.other_patient_id IS NULL AND p.image_key IS NULL))"))
      UNION ALL \(papers(9, "report_id", patient, "false_information p", ofPatient))
      UNION ALL \(papers(10, "evidence_id", patient, "authority_evidence p", ofPatient))
      UNION ALL \(papers(11, "end_id", patient, "restriction_end p", ofPatient))
      UNION ALL \(papers(12, "event_id", patient, "named p", "true"))
      UNION ALL \(papers(13, "resolution_id", "n.patient_id, NULL, NULL",
        "expiry_event_resolution p JOIN named n USING (organization_id, event_id)", "true"))
      UNION ALL \(papers(14, "determination_id", image, "determination p", ofImage))
      UNION ALL \(papers(15, "withdrawal_id", image, "determination_withdrawal p", ofImage))
      ORDER BY 6, 2
      """)

  private static let patient = "p.patient_id, NULL, NULL"
  private static let image = "NULL, NULL, p.image_key"
  private static let ofPatient = "p.patient_id = ANY($3)"
  private static let ofImage = "p.image_key = ANY($4)"

  /// Kind, id, patient, other patient, image, position, recorded, by, body, uses, grant count.
  private static func papers(
    _ kind: Int, _ key: String, _ subject: String, _ table: String, _ condition: String,
    uses: String = "NULL, NULL"
  ) -> String {
    let columns = subject.split(separator: ", ")
    let typed = zip(columns, ["uuid", "uuid", "text"]).map { "\($0)::\($1)" }
      .joined(separator: ", ")
    let numbers = uses.split(separator: ", ").map { "\($0)::integer" }.joined(separator: ", ")
    return """
      SELECT \(kind)::smallint, p.\(key), \(typed), p.position, p.recorded, p.recorded_by, p.body,
        \(numbers)
      FROM \(table)
      WHERE organization_id = $1 AND p.position <= $2 AND \(condition)
      """
  }
}
