/// What a paper lacks, before it is recorded. A defective paper is recorded like any other.
///
/// An AUTHORIZATION must have every core element and statement of 45 CFR 164.508(c), a PART2_CONSENT
/// those of 42 CFR 2.31 that have a counterpart there, a CONSENT what the organization's own list
/// asks; a REFUSAL or a restriction is judged by nothing. Only permit lines are judged: a deny
/// needs no form to bind.
///
/// - Parameter form: the registered form it is on; its statements count. `nil`: an unknown form,
///   and each statement is the paper's own.
/// - Returns: in order of element, then part; empty if the paper is valid.
public func validate(instrument: Instrument, form: Form?, policy: Policy) -> [Defect] {
  let permits = instrument.grants.filter { $0.effect == .permit }
  guard !permits.isEmpty, instrument.kind.isJudged else { return [] }
  let parts = Set(permits.map(\.part)).sorted()
  var defects = paperDefects(instrument)
  if instrument.kind != .consent { defects += statementDefects(instrument, form: form) }
  for part in parts {
    let lines = permits.filter { $0.part == part }
    defects += lineDefects(lines, of: instrument, policy: policy)
      .map { Defect($0, part: part) }
    if instrument.compoundParts.contains(part) { defects.append(Defect(.compound, part: part)) }
    if instrument.conditionedParts.contains(part) {
      defects.append(Defect(.conditioned, part: part))
    }
  }
  if instrument.kind == .consent {
    // 164.506(b)(1) leaves the contents to the organization; what never counts is a signature of
    // somebody without authority.
    defects.removeAll {
      $0.element != .signerAuthority && !policy.consentElements.contains($0.element)
    }
    if policy.consentElements.contains(.rightToRevoke)
      || policy.consentElements.contains(.conditioning)
      || policy.consentElements.contains(.redisclosure)
    {
      defects += statementDefects(instrument, form: form)
        .filter { policy.consentElements.contains($0.element) }
    }
  }
  return defects.sorted {
    ($0.element.rawValue, $0.part ?? 0) < ($1.element.rawValue, $1.part ?? 0)
  }
}

extension InstrumentKind {
  /// Whether form decides over validity.
  var isJudged: Bool {
    switch self {
    case .authorization, .consent, .part2Consent: true
    case .refusal, .restrictionRequest, .restrictionAgreed: false
    }
  }
}

/// (c)(1)(i) and (vi): what the whole paper needs.
private func paperDefects(_ paper: Instrument) -> [Defect] {
  var defects: [Defect] = []
  if isBlank(paper.informationDescription) { defects.append(Defect(.informationDescription)) }
  if !paper.isSigned { defects.append(Defect(.signature)) }
  if paper.signed == nil { defects.append(Defect(.signatureDate)) }
  let signer = paper.signer
  guard !signer.capacity.isIndividual else { return defects }
  if isBlank(signer.authorityDescription) {
    defects.append(Defect(.representativeAuthority))
  } else if signer.capacity == .financialPowerOfAttorney {
    // The description states the authority, and it is none over health care (164.502(g)(2)).
    defects.append(Defect(.signerAuthority))
  }
  // Authority is judged at the signing date.
  let day = paper.signedOrReceived.day
  let begun = signer.authorityFrom.map { $0 <= day } ?? true
  let lasting = signer.authorityUntil.map { day < $0 } ?? true
  if !begun || !lasting { defects.append(Defect(.signerAuthority)) }
  return Array(Set(defects))
}

/// (c)(2).
private func statementDefects(_ paper: Instrument, form: Form?) -> [Defect] {
  let statements = form?.statements ?? paper.statements
  var defects: [Defect] = []
  if statements.rightToRevoke != true { defects.append(Defect(.rightToRevoke)) }
  if statements.conditioning != true { defects.append(Defect(.conditioning)) }
  if statements.redisclosure != true { defects.append(Defect(.redisclosure)) }
  return defects
}

/// (c)(1)(ii) to (v), judged for each signed part.
private func lineDefects(
  _ lines: [Grant], of paper: Instrument, policy: Policy
) -> [DefectElement] {
  var missing: Set<DefectElement> = []
  for line in lines {
    if line.disclosers.contains(where: { $0.identifier == nil && isBlank($0.name ?? "") }) {
      missing.insert(.discloser)
    }
    if !namesRecipients(line, of: paper) { missing.insert(.recipient) }
    if line.uses.isEmpty { missing.insert(.purpose) }
    if line.expiry == .none, line.uses != [.research] { missing.insert(.expiry) }
    if let limit = paper.signer.authorityUses, !paper.signer.capacity.isIndividual,
      !line.uses.isEmpty, line.uses.intersection(limit).isEmpty
    {
      missing.insert(.signerAuthority)
    }
  }
  return missing.sorted { $0.rawValue < $1.rawValue }
}

/// An audience is a class of persons, which (c)(1)(iii) accepts for own workforce and trainees; a
/// Part 2 consent for treatment and operations may describe its recipients so too (2.31(a)(4)).
private func namesRecipients(_ line: Grant, of paper: Instrument) -> Bool {
  if line.audiences.isEmpty { return false }
  let needing = line.audiences.elements.filter { audience in
    paper.kind == .part2Consent ? audience == .external : audience.needsRecipient
  }
  if needing.isEmpty { return true }
  return line.recipients.contains { $0.identifier != nil || !isBlank($0.name ?? "") }
}

func isBlank(_ text: String) -> Bool { text.allSatisfy(\.isWhitespace) }
