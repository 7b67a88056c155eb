// What is recorded about a paper afterwards: false information, evidence of authority, the end of
// a restriction.

extension ChangeBuilder {
  /// 45 CFR 164.508(b)(2)(v): ends the paper's grants from now.
  public func reportFalseInformation(_ report: FalseInformation) throws(CommandRefusal) -> Change {
    let paper = try requirePaper(report.instrument)
    if isBlank(report.note) {
      throw .invalid([FieldViolation("false_information.note", "say what is false")])
    }
    return changeOfPaper(
      .falseInformation(report), paper, reference: .falseInformation, kind: .instrumentFalsified)
  }

  /// 45 CFR 164.522(a)(2): an agreed restriction ends from now.
  public func endRestriction(_ end: RestrictionEnd) throws(CommandRefusal) -> Change {
    let paper = try requirePaper(end.instrument)
    guard paper.kind == .restrictionAgreed else {
      throw .invalid([
        FieldViolation("restriction_end.instrument", "name a restriction that was agreed to")
      ])
    }
    let isEnded = facts.restrictionEnds.contains {
      $0.instrument == end.instrument && !errors.contains(.restrictionEnd, $0.id)
    }
    if isEnded {
      throw .notAllowed(rule: "164.522(a)(2)", description: "the restriction has ended already")
    }
    return changeOfPaper(
      .restrictionEnd(end), paper, reference: .restrictionEnd, kind: .restrictionEnded)
  }

  /// 45 CFR 164.514(h): what was found of a representative's authority. It ends no grant; a check
  /// relying on a paper without authority says so from now.
  public func recordAuthorityEvidence(
    _ evidence: AuthorityEvidence
  ) throws(CommandRefusal) -> Change {
    let paper = try requirePaper(evidence.instrument)
    if paper.signer.capacity.isIndividual {
      throw .invalid([
        FieldViolation("authority_evidence.instrument", "name a paper a representative signed")
      ])
    }
    if isBlank(evidence.verifiedBy) {
      throw .invalid([FieldViolation("authority_evidence.verified_by", "say who verified it")])
    }
    return changeOfPaper(
      .authorityEvidence(evidence), paper, reference: .authorityEvidence,
      kind: .authorityEvidenceRecorded)
  }

  private func changeOfPaper(
    _ record: Record, _ paper: Instrument, reference: RecordKind, kind: EventKind
  ) -> Change {
    let images = reach.images(of: paper.grants.map { (paper, $0) })
    var change = Change()
    change.append(
      record,
      event: .of(
        kind, RecordReference(kind: reference, id: record.id), patient: paper.patient,
        grants: paper.grants, images: images, at: clock.now))
    appendTurns(to: &change, after: facts(after: record), kind: kind)
    return change
  }

  private func requirePaper(_ id: InstrumentID) throws(CommandRefusal) -> Instrument {
    guard let paper = facts.instruments.first(where: { $0.id == id }),
      !errors.contains(.instrument, id)
    else { throw .unknownRecord(RecordReference(kind: .instrument, id: id.retyped())) }
    return paper
  }
}
