import ConsentCore
import ConsentProto
import ConsentStore

/// A patient named twice, so that a slip at the desk is noticed before anything is recorded.
struct TwiceNamed: Sendable {
  var patient: PatientID
  var second: SecondName

  /// - Throws: NOT_FOUND for no such patient, FAILED_PRECONDITION if the second identifier is
  ///   another's or unknown of this one.
  func requireAgreement(in reader: any FactReader) throws {
    guard let identity = try reader.identity(of: patient) else {
      throw ServiceError.notFound(kind: "patient", name: patient.description)
    }
    guard second.agrees(with: identity) else {
      throw ServiceError.failedPrecondition(
        reason: "IDENTIFIERS_DISAGREE",
        "second_identifier is not this patient's; check whose paper it is, nothing was recorded")
    }
  }
}

extension RequestReader {
  mutating func twiceNamed(
    _ patientID: String, _ second: Consent_V1_SecondIdentifier?
  ) -> TwiceNamed? {
    let patient = id(patientID, "patient_id", of: Patient.self)
    let second = secondIdentifier(second, "second_identifier")
    guard let patient, let second else { return nil }
    return TwiceNamed(patient: patient, second: second)
  }

  /// Scans are named by `PutDocument`, which this version does not serve.
  mutating func refuseDocuments(_ ids: [String]) {
    if !ids.isEmpty {
      refuse("document_ids", "cannot be kept with this record by this version; leave them out")
    }
  }
}
