// The identity of an event: a function of what happened, so that a retry cannot make a second one.

extension FeedEvent {
  /// `GrantExpired:<grant>:<version>`.
  static func subject(_ kind: EventKind, _ grant: GrantID, version: Int) -> String {
    kind.name + ":" + grant.description + ":" + String(version)
  }

  /// `InstrumentRecorded:<record>`.
  static func subject(_ kind: EventKind, _ record: RecordID) -> String {
    kind.name + ":" + record.description
  }

  static let maximumImages = 256

  /// The event that tells of a record.
  static func of(
    _ kind: EventKind, _ reference: RecordReference, patient: PatientID?, grants: [Grant] = [],
    images: [ImageKey] = [], at: Instant
  ) -> FeedEvent {
    FeedEvent(
      kind: kind, subject: subject(kind, reference.id), patient: patient, record: reference,
      grants: grants.map(\.id), images: Array(images.prefix(maximumImages)),
      scope: grants.widestScope,
      uses: grants.reduce(into: []) { $0 = $0.union($1.uses) }, occurred: at)
  }

  /// The event that tells of one grant.
  static func of(
    _ kind: EventKind, _ grant: Grant, version: Int, of paper: Instrument,
    record: RecordReference? = nil, images: [ImageKey], at: Instant
  ) -> FeedEvent {
    FeedEvent(
      kind: kind, subject: subject(kind, grant.id, version: version), patient: paper.patient,
      record: record ?? RecordReference(kind: .instrument, id: paper.id.retyped()),
      grants: [grant.id], images: Array(images.prefix(maximumImages)), scope: grant.scope,
      uses: grant.uses, occurred: at)
  }
}

extension [Grant] {
  /// The scope all lines share, or the whole patient.
  var widestScope: Scope? {
    guard let first = first?.scope else { return nil }
    return allSatisfy { $0.scope == first } ? first : .patient
  }
}
