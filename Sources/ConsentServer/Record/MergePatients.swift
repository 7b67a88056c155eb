import ConsentCore
import ConsentProto
import ConsentStore

extension ConsentService {
  /// Joins two registrations of one person. From then on what restricts one restricts both.
  static func mergePatients(
    _ service: ConsentService, _ request: Consent_V1_MergePatientsRequest, by caller: Principal
  ) async throws -> Consent_V1_MergePatientsResponse {
    let asked = try RequestReader.read { reader -> (PatientID, PatientID, String?)? in
      reader.conventions(request)
      let survivor = reader.id(
        request.survivingPatientID, "surviving_patient_id", of: Patient.self)
      let merged = reader.id(request.mergedPatientID, "merged_patient_id", of: Patient.self)
      if let survivor, survivor == merged {
        reader.refuse("merged_patient_id", "is the patient that stays; name the other one")
      }
      let note = reader.text(request.hasNote ? request.note : nil, "note", limit: .note)
      guard let survivor, let merged else { return nil }
      return (survivor, merged, note)
    }
    let id = ID<PatientMerge>.random()
    return try await service.record(request, by: caller) { recording in
      let (survivor, merged, note) = asked
      let facts = try recording.writer.facts(patients: [survivor, merged], asOf: nil)
      let merge = PatientMerge(id: id, survivor: survivor, merged: merged, note: note)
      let change = try CommandFields.named { try recording.builder(facts).mergePatients(merge) }
      try recording.writer.append(change)
      let standing = Standing(try recording.writer.facts(patients: [survivor], asOf: nil))
      var response = Consent_V1_MergePatientsResponse()
      response.mergeID = id.description
      if let record = standing.patient(survivor) {
        response.patient = Consent_V1_Patient(
          record, identity: try recording.writer.identity(of: survivor), standing: standing)
      }
      return response
    }
  }
}
