extension ChangeBuilder {
  /// States that a record was never valid. Live grants of a paper end; grants that only a revocation
  /// (or another ending) entered in error had ended come back with their next version.
  public func enterInError(_ error: EnteredInError) throws(CommandRefusal) -> Change {
    guard let target = facts.find(error.target) else { throw .unknownRecord(error.target) }
    if errors.contains(error.target.kind, error.target.id) {
      throw .notAllowed(rule: "records", description: "the record is entered in error already")
    }
    if isBlank(error.note) {
      throw .invalid([FieldViolation("entered_in_error.note", "say what was wrong")])
    }
    let record = Record.enteredInError(error)
    let after = facts(after: record)
    var change = Change()
    change.append(
      record,
      event: .of(
        .recordEnteredInError, RecordReference(kind: .enteredInError, id: record.id),
        patient: patient(of: target), grants: grants(of: target),
        images: images(of: target), at: clock.now))
    appendTurns(to: &change, after: after, kind: .recordEnteredInError)
    return change
  }

  /// Ends and reinstatements that follow from a record: every grant whose state now differs.
  func appendTurns(to change: inout Change, after: IndexedFacts, kind: EventKind) {
    var reach: ImageReach?
    for paper in facts.instruments {
      for grant in paper.grants {
        let was = facts.isEnded(grant, in: paper, at: clock.now, errors: errors)
        let isNow = after.facts.isEnded(grant, in: paper, at: clock.now, errors: after.errors)
        guard was != isNow else { continue }
        if isNow {
          change.ends.append(
            GrantEnd(
              grant: grant.id, version: facts.version(of: grant, in: paper), kind: kind,
              ended: clock.now))
        } else {
          let then = reach ?? ImageReach(after, at: clock.now)
          reach = then
          change.events.append(
            .of(
              .grantReinstated, grant, version: after.facts.version(of: grant, in: paper),
              of: paper, images: then.images(of: grant, in: paper), at: clock.now))
        }
      }
    }
  }

  private func grants(of record: Record) -> [Grant] {
    switch record {
    case .instrument(let paper): paper.grants
    case .revocation(let revocation): revocation.grants.compactMap { facts.paper(of: $0)?.grant }
    default: []
    }
  }

  private func images(of record: Record) -> [ImageKey] {
    switch record {
    case .instrument(let paper):
      reach.images(of: paper.grants.map { (paper, $0) })
    case .revocation(let revocation):
      reach.images(of: revocation.grants.compactMap { facts.paper(of: $0) })
    case .image(let image): [image.key]
    case .determination(let determination): [determination.image]
    default: []
    }
  }

  private func patient(of record: Record) -> PatientID? {
    switch record {
    case .patient(let r): r.id
    case .merge(let r): r.survivor
    case .image(let r): r.patient
    case .instrument(let r): r.patient
    case .revocation(let r): r.patient
    case .expiryEvent(let r): r.patient
    case .falseInformation(let r): patient(ofPaper: r.instrument)
    case .authorityEvidence(let r): patient(ofPaper: r.instrument)
    case .restrictionEnd(let r): patient(ofPaper: r.instrument)
    case .unmerge(let r): facts.merges.first { $0.id == r.merge }?.survivor
    case .expiryEventResolution(let r): facts.expiryEvents.first { $0.id == r.event }?.patient
    case .enteredInError(let r): facts.find(r.target).flatMap(patient(of:))
    // What is said of a de-identified image names no patient.
    case .determination, .determinationWithdrawal, .form, .policy: nil
    }
  }

  func patient(ofPaper id: InstrumentID) -> PatientID? {
    facts.instruments.first { $0.id == id }?.patient
  }
}

extension Facts {
  /// The record a reference names, if it is among these facts.
  public func find(_ reference: RecordReference) -> Record? {
    func first<R>(_ records: [R], _ wrap: (R) -> Record) -> Record? {
      records.lazy.map(wrap).first { $0.id == reference.id }
    }
    return switch reference.kind {
    case .patient: first(patients, Record.patient)
    case .merge: first(merges, Record.merge)
    case .unmerge: first(unmerges, Record.unmerge)
    case .image: first(images, Record.image)
    case .form: first(forms, Record.form)
    case .instrument: first(instruments, Record.instrument)
    case .revocation: first(revocations, Record.revocation)
    case .enteredInError: first(enteredInError, Record.enteredInError)
    case .falseInformation: first(falseInformation, Record.falseInformation)
    case .authorityEvidence: first(authorityEvidence, Record.authorityEvidence)
    case .restrictionEnd: first(restrictionEnds, Record.restrictionEnd)
    case .expiryEvent: first(expiryEvents, Record.expiryEvent)
    case .expiryEventResolution: first(expiryEventResolutions, Record.expiryEventResolution)
    case .determination: first(determinations, Record.determination)
    case .determinationWithdrawal: first(determinationWithdrawals, Record.determinationWithdrawal)
    case .policy: first(policies, Record.policy)
    }
  }
}
