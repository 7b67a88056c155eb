internal import ConsentCore
internal import Postgres

extension PostgresView {
  func useReports(of images: Set<ImageKey>, _ period: Range<Instant>) throws -> [UseReport] {
    try connection.execute(
      .useReportsOfImages, id, images.map(\.text), period.lowerBound, period.upperBound
    ).rows.map { row in
      let json: PostgresJSON = try row.get(0)
      guard let report: UseReport = RecordBody.decode(json.utf8) else {
        throw StoreError.unreadable("a use report")
      }
      return report
    }
  }

  func disclosures(
    of patients: Set<PatientID>, _ period: Range<Instant>
  ) throws -> [Disclosure] {
    try connection.execute(
      .disclosuresOfPatients, id, Array(patients), period.lowerBound, period.upperBound
    ).rows.map { row in
      let json: PostgresJSON = try row.get(0)
      guard let disclosure: Disclosure = RecordBody.decode(json.utf8) else {
        throw StoreError.unreadable("a disclosure")
      }
      return disclosure
    }
  }

  func put(disclosure: Disclosure) throws {
    hasWritten = true
    try connection.execute(
      .putDisclosure, id, disclosure.id, disclosure.patient, disclosure.at, now, caller,
      PostgresJSON(utf8: RecordBody.encode(disclosure)))
  }
}

extension PostgresStatement {
  fileprivate static let useReportsOfImages = PostgresStatement(
    name: "use_reports_of_images",
    sql: """
      SELECT body FROM use_report
      WHERE organization_id = $1 AND image_key = ANY($2) AND happened >= $3 AND happened < $4
      ORDER BY happened, report_id
      """)
  fileprivate static let disclosuresOfPatients = PostgresStatement(
    name: "disclosures_of_patients",
    sql: """
      SELECT body FROM disclosure
      WHERE organization_id = $1 AND patient_id = ANY($2) AND disclosed >= $3 AND disclosed < $4
      ORDER BY disclosed, disclosure_id
      """)
  fileprivate static let putDisclosure = PostgresStatement(
    name: "put_disclosure",
    sql: """
      INSERT INTO disclosure
        (organization_id, disclosure_id, patient_id, disclosed, recorded, recorded_by, body)
      VALUES ($1, $2, $3, $4, $5, $6, $7)
      """)
}
