import ConsentProto
import Foundation

/// Images from a spreadsheet: one row an image, each mistake named with its line and column.
enum ImageCSV {
  static let columns = [
    "patient_system", "patient_value", "sop_instance_uid", "sha256", "kind",
    "study_instance_uid", "series_instance_uid", "modality", "body_part", "acquired_on",
    "department", "site",
  ]

  static func read(
    _ path: String, patient: Consent_V1_PatientReference?
  ) throws -> [Consent_V1_ImageRegistration] {
    guard let text = try? String(contentsOfFile: path, encoding: .utf8) else {
      throw CommandFailure.data("cannot read \(path) as UTF-8")
    }
    let rows: [CSV.Row]
    do {
      rows = try CSV.parse(text)
    } catch let error as CSV.Malformed {
      throw CommandFailure.data("\(path) line \(error.line): \(error.description)")
    }
    guard let head = rows.first else { throw CommandFailure.data("\(path) is empty") }
    let names = head.cells.map { $0.trimmingCharacters(in: .whitespaces) }
    for name in names where !columns.contains(name) {
      throw CommandFailure.data(
        "\(path) line \(head.line): \(name) is not a column; there are "
          + columns.joined(separator: ", "))
    }
    if let twice = names.first(where: { name in names.filter { $0 == name }.count > 1 }) {
      throw CommandFailure.data("\(path) line \(head.line): the column \(twice) stands twice")
    }
    return try rows.dropFirst().map { row in
      guard row.cells.count == names.count else {
        throw CommandFailure.data(
          "\(path) line \(row.line): \(row.cells.count) values for \(names.count) columns")
      }
      let values = Dictionary(uniqueKeysWithValues: zip(names, row.cells)).filter { $1 != "" }
      return try registration(values, place: "\(path) line \(row.line)", patient: patient)
    }
  }

  private static func registration(
    _ values: [String: String], place: String, patient: Consent_V1_PatientReference?
  ) throws -> Consent_V1_ImageRegistration {
    func located<Value>(_ column: String, _ work: () throws -> Value) throws -> Value {
      do { return try work() } catch let failure as CommandFailure {
        throw CommandFailure.data("\(place), \(column): \(failure)")
      }
    }
    var registration = Consent_V1_ImageRegistration()
    if let system = values["patient_system"], let value = values["patient_value"] {
      registration.patient.identifier.system = system
      registration.patient.identifier.value = value
    } else if let patient {
      registration.patient = patient
    } else {
      throw CommandFailure.data("\(place): no patient; fill patient_system and patient_value")
    }
    var fields = Consent_V1_ImageFields()
    if let uid = values["sop_instance_uid"] {
      fields.key.sopInstanceUid = uid
    } else if let hash = values["sha256"] {
      fields.key = try located("sha256") { try Keys.image("sha256:" + hash) }
    } else {
      throw CommandFailure.data("\(place): fill sop_instance_uid or sha256")
    }
    let fallback = values["sop_instance_uid"] == nil ? "photo" : "dicom-instance"
    fields.kind = try located("kind") {
      try Words.value(values["kind"] ?? fallback, field: "kind")
    }
    if let uid = values["study_instance_uid"] { fields.studyInstanceUid = uid }
    if let uid = values["series_instance_uid"] { fields.seriesInstanceUid = uid }
    if let modality = values["modality"] { fields.modality = modality }
    if let part = values["body_part"] { fields.bodyPart = part }
    if let department = values["department"] { fields.department = department }
    if let site = values["site"] { fields.site = site }
    if let day = values["acquired_on"] {
      fields.acquiredOn = try located("acquired_on") { try Keys.day(day, field: "acquired_on") }
    }
    registration.fields = fields
    return registration
  }
}
