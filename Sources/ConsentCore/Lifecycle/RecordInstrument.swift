extension ChangeBuilder {
  /// Records a signed or stated paper, with its defects found and named.
  ///
  /// - Parameter signingDayStart: see `violations(of:signingDayStart:)`.
  /// - Returns: the change, with the instrument as stored.
  /// - Throws: `.invalid` for what no paper can say; never for a defective paper.
  public func recordInstrument(
    _ instrument: Instrument, signingDayStart: Instant? = nil
  ) throws(CommandRefusal) -> Change {
    try refuse(violations(of: instrument, signingDayStart: signingDayStart))
    try requirePatient(instrument.patient, field: "instrument.patient")
    if facts.instruments.contains(where: { $0.id == instrument.id }) {
      throw .notAllowed(rule: "records", description: "this paper is recorded already")
    }
    var paper = instrument
    paper.defects = defects(of: instrument)
    let record = Record.instrument(paper)
    let after = facts(after: record)
    let images = ImageReach(after, at: clock.now).images(of: paper.grants.map { (paper, $0) })
    let reference = RecordReference(kind: .instrument, id: record.id)
    var change = Change()
    change.append(
      record,
      event: .of(
        .instrumentRecorded, reference, patient: paper.patient, grants: paper.grants,
        images: images, at: clock.now))
    if paper.kind == .restrictionAgreed {
      change.events.append(
        .of(
          .restrictionAgreed, reference, patient: paper.patient, grants: paper.grants,
          images: images, at: clock.now))
    }
    return change
  }

  /// The defects a paper would be recorded with, by the form and policy as they are now.
  public func defects(of instrument: Instrument) -> [Defect] {
    validate(instrument: instrument, form: form(instrument.form), policy: policy)
  }

  /// Papers on which the same scan was recorded before: a warning, never a refusal.
  public func sameScan(as instrument: Instrument) -> [InstrumentID] {
    guard let sha = instrument.documentSHA256 else { return [] }
    return facts.instruments
      .filter { $0.documentSHA256 == sha && $0.id != instrument.id }
      .map(\.id).sorted()
  }

  func form(_ reference: Form.Reference?) -> Form? {
    guard let reference else { return nil }
    return facts.forms.first {
      $0.reference == reference && !errors.contains(.form, $0.recordID)
    }
  }

  func requirePatient(_ patient: PatientID, field: String) throws(CommandRefusal) {
    guard facts.currentPatient(patient, errors: errors) == nil else { return }
    throw .invalid([FieldViolation(field, "register the patient first")])
  }
}
