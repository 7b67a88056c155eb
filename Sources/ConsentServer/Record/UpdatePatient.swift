import ConsentCore
import ConsentProto
import ConsentStore

extension ConsentService {
  /// Corrects what is stated about a patient, as a new version. A corrected birth date moves
  /// majority, and may bring back grants that had ended at the wrong day.
  static func updatePatient(
    _ service: ConsentService, _ request: Consent_V1_UpdatePatientRequest, by caller: Principal
  ) async throws -> Consent_V1_UpdatePatientResponse {
    let asked = try RequestReader.read { reader -> (PatientName, PatientIdentity)? in
      reader.conventions(request)
      let patient = reader.patient(
        request.hasPatient ? request.patient : nil, "patient", .required)
      let identity = reader.patientIdentity(request.fields, "fields")
      guard let patient, let identity else { return nil }
      return (patient, identity)
    }
    let recordID = RecordID.random()
    return try await service.record(request, by: caller) { recording in
      let (name, identity) = asked
      let id = try name.one(in: recording.writer)
      let facts = try recording.writer.facts(patients: [id], asOf: nil)
      let standing = Standing(facts)
      guard let current = facts.patients.filter({ $0.id == id }).map(\.version).max() else {
        throw ServiceError.notFound(kind: "patient", name: "")
      }
      try requireVersion(request.expectedVersion, newest: current)
      try recording.requireUnknown(identity.identifiers, except: standing.members(of: id))
      let record = try recording.patientRecord(
        id: id, recordID: recordID, version: current + 1, identity: identity,
        policy: facts.policy(at: recording.now))
      let change = try CommandFields.named { try recording.builder(facts).updatePatient(record) }
      try recording.writer.append(change)
      try recording.writer.put(identity: identity, of: id, record: recordID)
      var response = Consent_V1_UpdatePatientResponse()
      response.patient = Consent_V1_Patient(
        recording.stamped(record), identity: identity, standing: standing)
      return response
    }
  }

  /// - Parameter expected: 0 is not compared.
  static func requireVersion(_ expected: UInt64, newest: Int) throws {
    guard expected == 0 || expected == UInt64(clamping: newest) else {
      throw ServiceError.aborted(
        "version \(newest) is the newest, not the one you name; read it and decide anew")
    }
  }
}

extension Consent_V1_Patient {
  /// A patient with the registrations it is merged with now.
  init(_ record: PatientRecord, identity: PatientIdentity?, standing: Standing) {
    let merges = standing.merges
    self.init(
      record, identity: identity,
      mergedInto: merges.filter { $0.merged == record.id }
        .max { $0.stamp.position < $1.stamp.position }?.survivor,
      mergedFrom: merges.filter { $0.survivor == record.id }.map(\.merged).sorted())
  }
}
