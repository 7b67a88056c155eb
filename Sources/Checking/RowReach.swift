internal import ConsentCore

/// What of the index a feed row concerns.
///
/// Where a row does not say all that it concerns, it concerns everything: too much is read again,
/// never too little.
enum RowReach: Equatable {
  case nothing
  case some(patient: PatientID?, images: [ImageKey], andGrantsOnEvents: Bool = false)
  /// The row does not say which event: whoever has a grant that ends by one.
  case grantsOnEvents
  /// The organization's own records.
  case rules
  /// This patient, and those whom a merge has joined with it: the row does not say whom.
  case merge(survivor: PatientID)
  case everything

  /// The rows of image lists longer than this say only the first ones.
  private static let completeImages = 255

  init(_ event: FeedEvent) {
    guard event.kind.changesFacts else {
      self = .nothing
      return
    }
    switch event.kind {
    case .policyChanged: self = .rules
    case .patientsMerged:
      self = event.patient.map { .merge(survivor: $0) } ?? .everything
    // Papers of any patient may name the event. Until it has happened it ends nothing.
    case .expiryEventResolved: self = .grantsOnEvents
    // Forms are read when a paper is recorded; no decision looks at them.
    case .expiryEventDeclared, .formRegistered: self = .nothing
    case .imageRegistered, .imageCorrected, .deidentificationDetermined,
      .deidentificationWithdrawn:
      self = Self.ofImages(event)
    case .recordEnteredInError:
      self = event.patient == nil ? Self.ofImages(event) : Self.ofPatient(event)
    case .instrumentRecorded, .grantRevoked, .grantReinstated, .instrumentFalsified,
      .restrictionAgreed, .restrictionEnded, .authorityEvidenceRecorded, .patientRegistered,
      .patientCorrected, .endedGrantRevoked, .revocationNotBinding, .patientsUnmerged:
      // What was ever merged stays one circle.
      self = Self.ofPatient(event)
    case .grantActivated, .grantExpiringSoon, .grantExpired, .emergencyOverrideUsed,
      .expiryEventOverdue, .documentStored:
      self = .nothing
    }
  }

  private static func ofImages(_ event: FeedEvent) -> RowReach {
    guard !event.images.isEmpty, event.images.count <= completeImages else { return .everything }
    // Other images of the patient see nothing of it but where they were made from this one.
    return .some(patient: nil, images: event.images)
  }

  /// All that is recorded of a patient concerns the patient's circle, and what was ever merged is
  /// one circle. An entry in error may name an image besides, and may be of the patient's event that
  /// papers of others name: the row does not say.
  private static func ofPatient(_ event: FeedEvent) -> RowReach {
    guard let patient = event.patient else { return .everything }
    guard event.kind == .recordEnteredInError else { return .some(patient: patient, images: []) }
    return .some(patient: patient, images: event.images, andGrantsOnEvents: true)
  }

  var survivor: PatientID? { if case .merge(let survivor) = self { survivor } else { nil } }

  /// Whether a change of what a patient is called by may lie in it.
  static func changesIdentifiers(_ event: FeedEvent) -> Bool {
    switch event.kind {
    case .patientRegistered, .patientCorrected, .patientsMerged, .patientsUnmerged: true
    default: false
    }
  }
}
