import ConsentCore
import ConsentProto
import ConsentStore

extension ConsentService {
  /// Finds patients by id, by identifier, or by name and birth date; in order of their ids.
  static func findPatients(
    _ service: ConsentService, _ request: Consent_V1_FindPatientsRequest, by caller: Principal
  ) async throws -> Shown<Consent_V1_FindPatientsResponse> {
    var question = request
    question.pageSize = 0
    question.pageToken = ""
    question.clearMinPosition()
    let token = PageToken<PatientID>.question(question)
    let asked = try RequestReader.read { reader -> Finding? in
      let by = reader.finding(request.by)
      let size = reader.pageSize(request.pageSize, usual: 20, most: 100)
      let after = reader.place(request.pageToken, of: token, as: PatientID.self)
      let position = reader.minPosition(request.hasMinPosition ? request.minPosition : nil)
      return by.map { Finding(by: $0, size: size, after: after, minPosition: position) }
    }
    return try await service.show(by: caller, minPosition: asked.minPosition) { reader, _ in
      let found = try asked.by.patients(in: reader).sorted()
        .filter { id in asked.after.map { $0 < id } ?? true }
      var response = Consent_V1_FindPatientsResponse()
      for id in found.prefix(asked.size) {
        let standing = Standing(try reader.facts(patients: [id], asOf: nil))
        guard let record = standing.patient(id) else { continue }
        response.patients.append(
          Consent_V1_Patient(record, identity: try reader.identity(of: id), standing: standing))
      }
      if found.count > asked.size, let last = found.prefix(asked.size).last {
        response.nextPageToken = PageToken(place: last, question: token).text
      }
      return Shown(
        response, naming: response.patients.map(\.patientID), asked: asked.by.id.map { [$0] } ?? [],
        subject: ["by": asked.by.kind])
    }
  }
}

private struct Finding: Sendable {
  var by: FindBy
  var size: Int
  var after: PatientID?
  var minPosition: KnownPosition?
}

/// What to find patients by.
enum FindBy: Sendable {
  case id(PatientID)
  case identifier(Identifier)
  case name(String, born: LocalDay)

  /// The patient asked for, where the caller knows who it is.
  var id: PatientID? { if case .id(let id) = self { id } else { nil } }

  /// By what they are searched for, without what.
  var kind: String {
    switch self {
    case .id: "id"
    case .identifier: "identifier"
    case .name: "name-and-birth-date"
    }
  }

  func patients(in reader: any FactReader) throws -> [PatientID] {
    switch self {
    case .id(let id): [id]
    case .identifier(let identifier): try reader.patients(identifiedBy: identifier)
    case .name(let name, let born): try reader.patients(name: name, birthDate: born)
    }
  }
}

extension RequestReader {
  fileprivate mutating func finding(
    _ by: Consent_V1_FindPatientsRequest.OneOf_By?
  ) -> FindBy? {
    switch by {
    case nil:
      refuse("by", "is required: patient_id, identifier, or name_and_birth_date")
      return nil
    case .patientID(let id)?:
      return self.id(id, "patient_id", of: Patient.self).map(FindBy.id)
    case .identifier(let identifier)?:
      // Identifiers are looked up by a hash of both parts, so the issuer has to be named.
      return self.identifier(identifier, "identifier", .required).map(FindBy.identifier)
    case .nameAndBirthDate(let both)?:
      return within("name_and_birth_date") { reader in
        let name = reader.text(both.displayName, "display_name", .required)
        let day = reader.localDay(both.hasBirthDate ? both.birthDate : nil, "birth_date", .required)
        guard let name, let day else { return nil }
        return .name(name, born: day)
      }
    }
  }
}
