import ConsentCore

/// Rungs 5 to 8: papers, bases, and why nothing covers.
extension ReferenceRungs {
  /// Permit lines of authorizations and consents.
  private var permitLines: [ReferenceLine] {
    register.lines.filter { $0.grant.effect == .permit && $0.instrument.kind.strength != .none }
  }

  /// Valid lines of enough strength that name this use, audience, recipient, discloser and channel.
  func usableLines(atLeast strength: Strength) -> [ReferenceLine] {
    permitLines.filter { line in
      line.instrument.kind.strength >= strength && register.invalidity(line) == nil
        && matching.namesUse(line.grant) && unnamed(line) == nil && !isExcluded(line)
    }
  }

  private func unnamed(_ line: ReferenceLine, nameless: Bool = false) -> Reason? {
    if !matching.namesAudience(line.grant) { return .audienceNotNamed }
    if !nameless, !matching.namesRecipient(line.grant) { return .recipientNotNamed }
    if !matching.namesDiscloser(line.grant) { return .discloserNotNamed }
    if !matching.namesChannel(line.grant) { return .channelNotInGrant }
    return nil
  }

  /// "A deny line inside an authorization is an exclusion of that form."
  private func isExcluded(_ line: ReferenceLine) -> Bool {
    line.instrument.kind == .authorization
      && restrictingLines().contains {
        $0.instrument.id == line.instrument.id && register.stands($0)
      }
  }

  // MARK: Rung 5

  func paper() -> Answer? {
    let usable = usableLines(atLeast: strengthAsked)
    guard lineage.isPermitted(by: usable) else { return nil }
    if withOtherMembers, asksForPaper, isRevokedByOtherMember(usable) {
      return .deny(.authorizationRevoked)
    }
    guard isPart2Satisfied || isPart2Internal else { return nil }
    if lacksContract { return .deny(.contractRequired) }
    let authorizations = usable.filter { $0.instrument.kind.strength == .authorization }
    if lineage.isPermitted(by: authorizations) {
      return .permit(.authorizationValid, notice)
    }
    // A consent comes besides the basis and replaces nothing of it (164.506(b)): the actor is
    // asked the same, and education within operations keeps its minimum necessary.
    if asksForBasis, let actorFault { return .deny(actorFault) }
    let necessary =
      matching.use == .education && matching.audience != .individual
      ? Set(policy.operationsObligations) : []
    return .permit(.consentValid, notice.union(necessary))
  }

  private var asksForBasis: Bool {
    matching.use.isTreatment
      ? asked != .individualAccess && asked != .authorization
      : asked == .operationsBasis || asked == .operationsBasisWithContract
  }

  /// The notice of 42 CFR 2.32 goes with a disclosure that rests on the consent; not to the
  /// patient.
  private var notice: Set<Obligation> {
    isMarked && matching.audience.needsRecipient && matching.audience != .individual
      ? [.part2Notice] : []
  }

  /// "A patient-scope revocation not followed by a later signed permit, of any member restricts
  /// all members' images."
  private func isRevokedByOtherMember(_ usable: [ReferenceLine]) -> Bool {
    let permits = usable.filter { line in lineage.nodes.contains { lineage.reaches(line, $0) } }
    return register.lines.contains { revoked in
      guard revoked.grant.effect == .permit, revoked.grant.scope == .patient,
        revoked.instrument.kind.strength != .none,
        matching.namesUse(revoked.grant), matching.namesAudience(revoked.grant),
        isOtherMembers(revoked)
      else { return false }
      return register.facts.revocations.contains { revocation in
        revocation.grants.contains(revoked.grant.id) && register.binds(revocation, revoked)
          && !permits.contains { $0.signed.isLater(than: revocation.signed) }
      }
    }
  }

  private func isOtherMembers(_ line: ReferenceLine) -> Bool {
    lineage.nodes.contains { node in
      guard let image = node.image else { return false }
      return !line.restricts.isDisjoint(with: lineage.members(node))
        && line.restricts.isDisjoint(with: register.owners(of: image).restricts)
    }
  }

  // MARK: Part 2

  var isMarked: Bool { lineage.nodes.contains { $0.image?.part2 != nil } }

  /// "A marked image needs a valid PART2_CONSENT besides what the table asks"; marks flow down.
  var isPart2Satisfied: Bool {
    let consents = register.lines.filter { line in
      line.instrument.kind == .part2Consent && line.grant.effect == .permit
        && register.invalidity(line) == nil && matching.namesUse(line.grant)
        && unnamedForPart2(line) == nil
    }
    return lineage.nodes.filter { $0.image?.part2 != nil }.allSatisfy { node in
      consents.contains { lineage.reaches($0, node) }
    }
  }

  /// "A TPO consent serves treatment and operations (2.33)": whom the audience describes need not
  /// be named for those; who is named is meant.
  private func unnamedForPart2(_ line: ReferenceLine) -> Reason? {
    unnamed(line, nameless: line.grant.recipients.isEmpty && asked != .authorization)
  }

  /// The program unit's own personnel who need it: for treatment, within the workforce.
  private var isPart2Internal: Bool {
    matching.use.isTreatment && !matching.audience.needsRecipient && actorFault == nil
      && lineage.nodes.compactMap { $0.image?.part2 }
        .allSatisfy { matching.actor.memberOf.contains($0.programUnit) }
  }

  // MARK: Rung 6

  func basis() -> Answer? {
    let reason: Reason
    var obligations: Set<Obligation> = []
    switch asked {
    case .treatmentBasis, .treatmentBasisWithContract: reason = .treatmentNoAuthorizationRequired
    case .operationsBasis, .operationsBasisWithContract:
      reason = .operationsNoAuthorizationRequired
      obligations = Set(policy.operationsObligations)
    case .individualAccess: reason = .individualAccess
    case .consent, .consentWithContract, .authorization, .never:
      return lacksContract ? .deny(.contractRequired) : nil
    }
    if lacksContract { return .deny(.contractRequired) }
    if asked != .individualAccess, let actorFault { return .deny(actorFault) }
    if !isMarked { return .permit(reason, obligations) }
    if isPart2Satisfied { return .permit(reason, obligations.union(notice)) }
    return isPart2Internal ? .permit(.part2Internal) : .deny(.part2ConsentRequired)
  }

  // MARK: Rung 7

  /// The one code of what nearly covers: papers first, then determinations.
  var nearlyCovers: Reason? {
    let candidates = permitLines.filter { line in
      matching.namesUse(line.grant)
        && lineage.holdsAny(line, ignoringPresentOnly: true)
    }
    let coversNotValid = candidates.filter {
      uncovered($0) == nil && register.invalidity($0) != nil
    }
    let validNotCovers = candidates.filter { register.invalidity($0) == nil }
    let neither = candidates.filter { uncovered($0) != nil && register.invalidity($0) != nil }
    for group in [coversNotValid, validNotCovers, neither] {
      if let speaker = signedLast(group) {
        return register.invalidity(speaker) ?? uncovered(speaker) ?? missingBesides
      }
    }
    return determinationFault
  }

  /// Why a line does not cover the request; `nil` = it does.
  private func uncovered(_ line: ReferenceLine) -> Reason? {
    if line.instrument.kind.strength < strengthAsked { return .consentNotSufficient }
    if let code = unnamed(line) { return code }
    return isExcluded(line) || !lineage.holdsAny(line) ? .notInDescribedInformation : nil
  }

  /// What is wanting beside a line that is valid and covers: another source's permit, or the
  /// Part 2 consent.
  private var missingBesides: Reason {
    lineage.isPermitted(by: usableLines(atLeast: strengthAsked))
      ? .part2ConsentRequired : .notInDescribedInformation
  }

  /// "The one signed last speaks (ties: lowest id)": of those that none is signed after.
  private func signedLast(_ lines: [ReferenceLine]) -> ReferenceLine? {
    lines.filter { line in !lines.contains { $0.signed.isLater(than: line.signed) } }
      .min { $0.grant.id < $1.grant.id }
  }

  /// "Claimed without [the three findings]": DICOM flags are claims and replace no determination.
  private var determinationFault: Reason? {
    if determinations.isEmpty, image.claims.identityRemoved == .yes {
      return image.claims.recognizableVisualFeatures == .yes
        ? .deidentificationFacialFeatures : .deidentificationUnproven
    }
    let last = determinations.map(\.determined).max()
    return determinations.filter { $0.determined == last }.min { $0.id < $1.id }
      .flatMap { register.fault(of: $0, on: image) }
  }
}
