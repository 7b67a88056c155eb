// Input that is refused, as opposed to papers that are defective: what no paper can say.

/// Most lines of one paper, and most parties, parts or obligations of one line.
public let maximumGrants = 256
public let maximumPartiesOfGrant = 64

extension ChangeBuilder {
  /// What is wrong with the entry of a paper, by field path; empty if it can be recorded.
  ///
  /// - Parameter signingDayStart: local midnight at the start of the day of signing (or of
  ///   receipt, if the paper bears no date); what "never before signing" is measured by.
  public func violations(of paper: Instrument, signingDayStart: Instant?) -> [FieldViolation] {
    var found = timeViolations(paper)
    found += signerViolations(paper.signer, field: "instrument.signer")
    if paper.grants.isEmpty {
      found.append(FieldViolation("instrument.grants", "state at least one line"))
    }
    if paper.grants.count > maximumGrants {
      found.append(FieldViolation("instrument.grants", "record at most 256 lines in one paper"))
    }
    if let sha = paper.documentSHA256, !isHexadecimal(sha, digits: 64) {
      found.append(
        FieldViolation("instrument.document_sha256", "give 64 lower-case hexadecimal digits"))
    }
    var ids = Set<GrantID>()
    for (index, grant) in paper.grants.enumerated() {
      let field = "instrument.grants[\(index)]"
      if !ids.insert(grant.id).inserted {
        found.append(FieldViolation(field + ".id", "give each line its own id"))
      }
      found += grantViolations(grant, of: paper, field: field, signingDayStart: signingDayStart)
    }
    return found
  }

  private func timeViolations(_ paper: Instrument) -> [FieldViolation] {
    var found: [FieldViolation] = []
    if let signed = paper.signed, isInFuture(signed) {
      found.append(FieldViolation("instrument.signed", "a signature cannot be in the future"))
    }
    if paper.received > clock.now {
      found.append(
        FieldViolation("instrument.received", "a paper is received before it is recorded"))
    }
    if let signed = paper.signed, !isInFuture(signed), paper.received <= clock.now,
      signed.day > paper.receivedDay
    {
      found.append(FieldViolation("instrument.received", "a paper is signed before it is received"))
    }
    return found
  }

  func isInFuture(_ signed: SignedTime) -> Bool {
    signed.day > clock.today || (signed.instant.map { $0 > clock.now } ?? false)
  }

  func signerViolations(_ signer: Signer, field: String) -> [FieldViolation] {
    guard let from = signer.authorityFrom, let until = signer.authorityUntil, until <= from else {
      return []
    }
    return [FieldViolation(field + ".authority_until", "an authority ends after it begins")]
  }

  private func grantViolations(
    _ grant: Grant, of paper: Instrument, field: String, signingDayStart: Instant?
  ) -> [FieldViolation] {
    var found: [FieldViolation] = []
    if grant.part == 0 {
      found.append(FieldViolation(field + ".part", "count the signed parts from 1"))
    }
    if grant.effect == .permit, paper.kind != .part2Consent, paper.kind.strength == .none {
      found.append(
        FieldViolation(field + ".effect", "a refusal or restriction has deny lines only"))
    }
    if !grant.scope.isWellFormed {
      found.append(FieldViolation(field + ".scope", "give a DICOM UID"))
    }
    let signing = paper.signed?.instant ?? signingDayStart
    if let signing, grant.effectiveFrom < signing {
      found.append(
        FieldViolation(
          field + ".effective_from", "a line is effective from signing at the earliest"))
    }
    if case .date(_, let until) = grant.expiry, until <= grant.effectiveFrom {
      found.append(FieldViolation(field + ".expiry", "a line ends after it begins"))
    }
    if max(grant.recipients.count, grant.disclosers.count, grant.obligations.count)
      > maximumPartiesOfGrant
    {
      found.append(FieldViolation(field, "name at most 64 parties in one line"))
    }
    if case .event(let event) = grant.expiry, !isKnown(event) {
      found.append(FieldViolation(field + ".expiry.event", "declare the expiry event first"))
    }
    return found
  }

  private func isKnown(_ event: ID<ExpiryEvent>) -> Bool {
    facts.expiryEvents.contains { $0.id == event && !errors.contains(.expiryEvent, event) }
  }
}

extension Scope {
  fileprivate var isWellFormed: Bool {
    switch self {
    case .series(let uid), .study(let uid): isDICOMUID(uid)
    case .image, .patient: true
    }
  }
}

func isHexadecimal(_ text: String, digits: Int) -> Bool {
  text.utf8.count == digits
    && text.utf8.allSatisfy { hexadecimalValue($0) != nil && !(65...70).contains($0) }
}
