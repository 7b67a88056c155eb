internal import ConsentCore

/// Whom or what a record is about: this decides which facts it is loaded with.
enum RecordSubject: Hashable, Sendable {
  case organization
  case patient(PatientID)
  case patients(PatientID, PatientID)
  case image(ImageKey)

  /// The subject of `record`; for a record that speaks of another one, that one's subject.
  /// - Parameter known: the subject of a recorded record, `nil` if there is none.
  /// - Throws: `InvalidChange` when the record referred to is not recorded.
  static func of(
    _ record: Record, known: (RecordReference) throws -> RecordSubject?
  ) throws -> RecordSubject {
    switch record {
    case .patient(let r): return .patient(r.id)
    case .merge(let r): return .patients(r.survivor, r.merged)
    case .image(let r): return .image(r.key)
    case .form, .policy: return .organization
    case .instrument(let r): return .patient(r.patient)
    case .revocation(let r): return .patient(r.patient)
    case .expiryEvent(let r): return r.patient.map { .patient($0) } ?? .organization
    case .determination(let r): return .image(r.image)
    case .unmerge, .enteredInError, .falseInformation, .authorityEvidence, .restrictionEnd,
      .expiryEventResolution, .determinationWithdrawal:
      guard let target = record.target else { return .organization }
      guard let subject = try known(target) else {
        throw InvalidChange("a record refers to one that is not recorded")
      }
      return subject
    }
  }
}

extension Record {
  /// The record this one speaks of, for the kinds that only speak of another one.
  var target: RecordReference? {
    switch self {
    case .unmerge(let r): RecordReference(kind: .merge, id: r.merge.retyped())
    case .enteredInError(let r): r.target
    case .falseInformation(let r): RecordReference(kind: .instrument, id: r.instrument.retyped())
    case .authorityEvidence(let r): RecordReference(kind: .instrument, id: r.instrument.retyped())
    case .restrictionEnd(let r): RecordReference(kind: .instrument, id: r.instrument.retyped())
    case .expiryEventResolution(let r):
      RecordReference(kind: .expiryEvent, id: r.event.retyped())
    case .determinationWithdrawal(let r):
      RecordReference(kind: .determination, id: r.determination.retyped())
    case .patient, .merge, .image, .form, .instrument, .revocation, .expiryEvent, .determination,
      .policy:
      nil
    }
  }

  var reference: RecordReference { RecordReference(kind: kind, id: id) }
}
