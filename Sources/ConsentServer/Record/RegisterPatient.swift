import ConsentCore
import ConsentProto
import ConsentStore

extension ConsentService {
  /// Registers a patient. An identifier that is registered already is ALREADY_EXISTS.
  static func registerPatient(
    _ service: ConsentService, _ request: Consent_V1_RegisterPatientRequest, by caller: Principal
  ) async throws -> Consent_V1_RegisterPatientResponse {
    let identity = try RequestReader.read { reader in
      reader.conventions(request)
      return reader.patientIdentity(request.fields, "fields")
    }
    let id = PatientID.random()
    let recordID = RecordID.random()
    return try await service.record(request, by: caller) { recording in
      try recording.requireUnknown(identity.identifiers, except: [])
      let facts = try recording.writer.organizationFacts(asOf: nil)
      let record = try recording.patientRecord(
        id: id, recordID: recordID, version: 1, identity: identity,
        policy: facts.policy(at: recording.now))
      let change = try CommandFields.named { try recording.builder(facts).registerPatient(record) }
      try recording.writer.append(change)
      try recording.writer.put(identity: identity, of: id, record: recordID)
      var response = Consent_V1_RegisterPatientResponse()
      response.patient = Consent_V1_Patient(recording.stamped(record), identity: identity)
      return response
    }
  }
}

extension Recording {
  /// A record of this change, as it is stamped.
  func stamped(_ patient: PatientRecord) -> PatientRecord {
    var stamped = patient
    stamped.stamp = Stamp(position: 0, recorded: now, by: "")
    return stamped
  }

  /// One identifier names one person; registrations of the same person may share it.
  func requireUnknown(_ identifiers: [Identifier], except known: Set<PatientID>) throws {
    for identifier in identifiers {
      guard try writer.patients(identifiedBy: identifier).allSatisfy(known.contains) else {
        throw ServiceError.alreadyExists(
          "a patient with one of these identifiers is registered already; find and use that one")
      }
    }
  }

  /// One version of a patient: of the birth date, decisions learn only when majority comes.
  func patientRecord(
    id: PatientID, recordID: RecordID, version: Int, identity: PatientIdentity, policy: Policy
  ) throws -> PatientRecord {
    if let birthDate = identity.birthDate, birthDate > clock.today {
      throw ServiceError.invalid("fields.birth_date", "is in the future")
    }
    let majority = calendar.majority(born: identity.birthDate, policy: policy)
    return PatientRecord(
      recordID: recordID, id: id, version: version, majority: majority?.instant,
      timeZoneDataVersion: calendar.dataVersion, majorityDay: majority?.day)
  }
}

extension LocalCalendar {
  /// The local midnight at which somebody comes of age under a policy; `nil` if the birth date is
  /// unknown.
  func majority(born: LocalDay?, policy: Policy) -> (day: LocalDay, instant: Instant)? {
    let day = born?.adding(
      years: policy.majorityAge, leapDayOnFebruary28: policy.leapDayOnFebruary28)
    return day.map { ($0, start(of: $0)) }
  }
}
