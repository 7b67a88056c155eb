import ConsentCore

extension Record {
  /// The version of the record: of the kinds that have versions their own, else 1.
  var version: Int {
    switch self {
    case .patient(let r): r.version
    case .image(let r): r.version
    case .policy(let r): r.version
    case .merge, .unmerge, .form, .instrument, .revocation, .enteredInError, .falseInformation,
      .authorityEvidence, .restrictionEnd, .expiryEvent, .expiryEventResolution, .determination,
      .determinationWithdrawal:
      1
    }
  }

  /// What it is, in a line. No demographics, no identifiers and no words that people entered.
  var summary: String {
    switch self {
    case .patient(let r):
      r.version == 1 ? "Patient registered" : "Patient corrected, version \(r.version)"
    case .merge: "Merged with another registration of the same person"
    case .unmerge(let r):
      "Merge undone, \(counted(r.assignments.count, "record")) assigned"
    case .image(let r):
      r.version == 1
        ? "\(r.kind.words) registered" : "\(r.kind.words) corrected, version \(r.version)"
    case .form(let r): "Form for \(article(r.kind.words)) recorded"
    case .instrument(let r): r.summary
    case .revocation(let r):
      "Revocation \(r.method.words) of \(counted(r.grants.count, "grant"))"
    case .enteredInError(let r): "\(r.target.kind.words) entered in error"
    case .falseInformation: "Paper reported to contain false information"
    case .authorityEvidence(let r):
      r.finding == .establishesAuthority
        ? "Evidence establishes the signer's authority"
        : "Evidence shows that the signer had no authority"
    case .restrictionEnd: "Agreed restriction ended"
    case .expiryEvent: "Expiry event declared"
    case .expiryEventResolution: "Expiry event occurred"
    case .determination: "De-identification determined"
    case .determinationWithdrawal: "De-identification determination withdrawn"
    case .policy(let r): "Policy version \(r.version) set"
    }
  }
}

extension Instrument {
  fileprivate var summary: String {
    let permits = grants.count { $0.effect == .permit }
    let denies = grants.count - permits
    var lines: [String] = []
    if permits > 0 { lines.append(counted(permits, "permit")) }
    if denies > 0 { lines.append(counted(denies, "exclusion")) }
    let name = kind.words
    let stated = name.prefix(1).uppercased() + name.dropFirst()
    let defective = defects.isEmpty ? "" : ", defective"
    return "\(stated) with \(lines.joined(separator: " and "))\(defective)"
  }
}

private func counted(_ number: Int, _ noun: String) -> String {
  number == 1 ? "1 \(noun)" : "\(number) \(noun)s"
}

private func article(_ noun: String) -> String {
  (noun.first.map { "aeiou".contains($0) } ?? false ? "an " : "a ") + noun
}

extension InstrumentKind {
  fileprivate var words: String {
    switch self {
    case .authorization: "authorization"
    case .consent: "consent"
    case .refusal: "refusal"
    case .restrictionRequest: "restriction request"
    case .restrictionAgreed: "agreed restriction"
    case .part2Consent: "Part 2 consent"
    }
  }
}

extension ImageKind {
  fileprivate var words: String {
    switch self {
    case .dicomInstance: "DICOM image"
    case .photo: "Photo"
    case .scan: "Scan"
    case .derivative: "Derivative"
    }
  }
}

extension RevocationMethod {
  fileprivate var words: String {
    switch self {
    case .written: "in writing"
    case .oral: "by word of mouth"
    case .portal: "in the portal"
    }
  }
}

extension RecordKind {
  fileprivate var words: String {
    switch self {
    case .patient: "Patient version"
    case .merge: "Merge"
    case .unmerge: "Unmerge"
    case .image: "Image version"
    case .form: "Form"
    case .instrument: "Paper"
    case .revocation: "Revocation"
    case .enteredInError: "Statement of error"
    case .falseInformation: "Report of false information"
    case .authorityEvidence: "Evidence of authority"
    case .restrictionEnd: "End of a restriction"
    case .expiryEvent: "Expiry event"
    case .expiryEventResolution: "Occurrence of an expiry event"
    case .determination: "De-identification determination"
    case .determinationWithdrawal: "Withdrawal of a determination"
    case .policy: "Policy version"
    }
  }
}
