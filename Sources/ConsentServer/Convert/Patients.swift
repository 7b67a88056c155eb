import ConsentCore
import ConsentProto
import ConsentStore
import SwiftProtobuf

/// How a request names a patient.
enum PatientName: Hashable, Sendable {
  case id(PatientID)
  case identifier(Identifier)

  /// Every patient of the organization who is meant; empty if none is.
  func resolved(in reader: any FactReader) throws -> [PatientID] {
    switch self {
    case .id(let id): [id]
    case .identifier(let identifier): try reader.patients(identifiedBy: identifier)
    }
  }

  /// The one patient who is meant.
  /// - Throws: `ServiceError.notFound` for none, `.failedPrecondition` for several.
  func one(in reader: any FactReader) throws -> PatientID {
    let patients = try resolved(in: reader)
    guard let first = patients.first else {
      throw ServiceError.notFound(kind: "patient", name: "")
    }
    guard patients.count == 1 else {
      throw ServiceError.failedPrecondition(
        reason: "PATIENT_AMBIGUOUS",
        "several patients have this identifier; name the patient by its id, or merge them")
    }
    return first
  }
}

/// The second identifier of a patient, which must agree with the first.
enum SecondName: Hashable, Sendable {
  case identifier(Identifier)
  case birthDate(LocalDay)

  func agrees(with identity: PatientIdentity) -> Bool {
    switch self {
    case .identifier(let identifier): identity.identifiers.contains(identifier)
    case .birthDate(let day): identity.birthDate == day
    }
  }
}

extension RequestReader {
  mutating func patient(
    _ value: Consent_V1_PatientReference?, _ field: StaticString, _ presence: Presence = .optional
  ) -> PatientName? {
    guard let reference = value?.reference else {
      if presence == .required || value != nil {
        refuse(field, "is required: a patient_id or an identifier")
      }
      return nil
    }
    return within(field) { reader in
      switch reference {
      case .patientID(let id): reader.id(id, "patient_id").map(PatientName.id)
      case .identifier(let identifier):
        reader.identifier(identifier, "identifier").map(PatientName.identifier)
      }
    }
  }

  mutating func secondIdentifier(
    _ value: Consent_V1_SecondIdentifier?, _ field: StaticString
  ) -> SecondName? {
    guard let second = value?.second else {
      refuse(field, "is required: a second identifier of the patient, or the birth date")
      return nil
    }
    return within(field) { reader in
      switch second {
      case .identifier(let identifier):
        reader.identifier(identifier, "identifier").map(SecondName.identifier)
      case .birthDate(let day): reader.localDay(day, "birth_date").map(SecondName.birthDate)
      }
    }
  }

  /// What is stated about a person; an empty name is unknown.
  mutating func patientIdentity(
    _ value: Consent_V1_PatientFields, _ field: StaticString
  ) -> PatientIdentity? {
    within(field) { reader in
      let identifiers = reader.identifiers(value.identifiers, "identifiers")
      if value.identifiers.isEmpty { reader.refuse("identifiers", "is required: at least one") }
      if Set(identifiers).count < identifiers.count {
        reader.refuse("identifiers", "states the same identifier twice")
      }
      let name = reader.text(value.hasDisplayName ? value.displayName : nil, "display_name")
      let birthDate = reader.localDay(value.hasBirthDate ? value.birthDate : nil, "birth_date")
      guard !identifiers.isEmpty else { return nil }
      return PatientIdentity(
        displayName: name ?? "", birthDate: birthDate, identifiers: identifiers)
    }
  }
}

extension Consent_V1_PatientFields {
  init(_ identity: PatientIdentity) {
    self.init()
    identifiers = identity.identifiers.map(Consent_V1_Identifier.init)
    if !identity.displayName.isEmpty { displayName = identity.displayName }
    if let day = identity.birthDate { birthDate = Consent_V1_LocalDay(day) }
  }
}

extension Consent_V1_Patient {
  /// - Parameters:
  ///   - identity: `nil` if nothing is stored of the person.
  ///   - into: the patient that this one is merged into.
  init(
    _ record: PatientRecord, identity: PatientIdentity?, mergedInto into: PatientID? = nil,
    mergedFrom from: [PatientID] = []
  ) {
    self.init()
    patientID = record.id.description
    if let identity { fields = Consent_V1_PatientFields(identity) }
    version = UInt64(clamping: record.version)
    recordedAt = Google_Protobuf_Timestamp(record.stamp.recorded)
    if let into { mergedInto = into.description }
    mergedFrom = from.map(\.description)
    if let majority = Google_Protobuf_Timestamp(finite: record.majority) { majorityAt = majority }
  }
}
