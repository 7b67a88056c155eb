import ConsentCore

/// Rungs 2 to 8 for a known image.
struct ReferenceRungs {
  typealias Answer = ReferenceLadder.Answer

  let register: ReferenceRegister
  let image: ImageRecord
  let matching: ReferenceMatching
  let lineage: ReferenceLineage
  /// Whether what restricts other members of a merged patient counts.
  var withOtherMembers = true

  init(register: ReferenceRegister, image: ImageRecord, matching: ReferenceMatching) {
    self.register = register
    self.image = image
    self.matching = matching
    lineage = ReferenceLineage(register: register, root: image)
  }

  var policy: Policy { register.policy }

  /// "If another member's fact turns PERMIT into DENY, MERGE_MOST_RESTRICTIVE is primary."
  func answer() -> Answer {
    let all = climb()
    var alone = self
    alone.withOtherMembers = false
    return all.effect == .deny && alone.climb().effect == .permit
      ? .deny(.mergeMostRestrictive) : all
  }

  func climb() -> Answer {
    if isUnevaluable() { return .deny(.recordNotEvaluable) }
    if asked != .never, determinations.contains(where: { register.fault(of: $0, on: image) == nil })
    {
      return .permit(.notPHIDeidentified)
    }
    // A derivative is decided with the facts of all its sources, also those nobody knows.
    if lineage.nodes.contains(where: { $0.image == nil }) { return .deny(.imageUnknown) }
    if isRestricted() { return .deny(.restrictionAgreed) }
    if asksForPaper, let code = standingDeny() {
      return .deny(code)
    }
    if asked == .never { return .deny(.researchNotSupported) }
    return paper() ?? basis()
      ?? .deny(nearlyCovers ?? .noAuthorization)
  }

  // MARK: What is asked

  /// The table of uses and audiences.
  var asked: Requirement {
    switch (matching.use, matching.audience) {
    case (.research, _): .never
    case (_, .individual): .individualAccess
    case (_, .external): .authorization
    case (.education, .ownWorkforce):
      policy.educationOwnWorkforceAsOperations ? .operationsBasis : .consent
    case (.education, .traineesSupervised):
      policy.educationTraineesAsOperations ? .operationsBasis : .consent
    case (.education, .treatingProvider):
      policy.educationTreatingProviderAsOperations ? .operationsBasis : .authorization
    case (.education, .businessAssociate):
      policy.educationOwnWorkforceAsOperations
        ? .operationsBasisWithContract : .consentWithContract
    case (_, .businessAssociate):
      policy.treatmentNeedsConsent ? .consentWithContract : .treatmentBasisWithContract
    case (_, .ownWorkforce), (_, .traineesSupervised), (_, .treatingProvider):
      policy.treatmentNeedsConsent ? .consent : .treatmentBasis
    }
  }

  var strengthAsked: Strength {
    switch asked {
    case .authorization: .authorization
    case .consent, .consentWithContract, .never: .consent
    case .treatmentBasis, .treatmentBasisWithContract, .operationsBasis,
      .operationsBasisWithContract, .individualAccess:
      .none
    }
  }

  var asksForPaper: Bool { strengthAsked != .none }

  var lacksContract: Bool {
    guard matching.audience == .businessAssociate else { return false }
    guard let recipient = matching.recipient else { return true }
    return !policy.businessAssociates.contains { contractor in
      recipient.identifier == contractor
        || (recipient.kind == .person && recipient.memberOf.contains(contractor))
    }
  }

  /// What a basis asks of the actor: role class first, then a stated relationship.
  var actorFault: Reason? {
    if lacksRole { return .roleNotPermitted }
    return matching.actor.relationship == .noneStated ? .relationshipRequired : nil
  }

  private var lacksRole: Bool {
    let allowed = matching.use.isTreatment ? policy.treatmentRoles : policy.operationsRoles
    return !allowed.contains(matching.actor.role)
  }

  // MARK: Records that cannot be evaluated, determinations

  private func isUnevaluable() -> Bool {
    register.facts.unevaluable.contains { record in
      (record.use == nil || record.use == matching.use)
        && lineage.nodes.contains { node in
          guard let image = node.image else { return false }
          let owners = register.owners(
            of: record.reference.id, filedUnder: record.patient, position: record.stamp.position)
          return !owners.restricts.isDisjoint(
            with: withOtherMembers
              ? lineage.members(node) : register.owners(of: image).restricts)
        }
    }
  }

  /// "A determination covers exactly one image" and "is never inherited".
  var determinations: [Determination] {
    register.facts.determinations.filter { $0.image == image.key }
  }

  // MARK: Rung 3

  /// "An agreed restriction covers it (treatment and operations only; it never defeats an
  /// authorization)." Education that asks for no authorization is training within operations.
  private func isRestricted() -> Bool {
    guard ![.individualAccess, .authorization, .never].contains(asked) else { return false }
    let restricted = restrictingLines().contains { line in
      line.instrument.kind == .restrictionAgreed && register.restrictionStands(line)
    }
    let authorizations = usableLines(atLeast: .authorization)
    return restricted && !lineage.isPermitted(by: authorizations)
  }

  /// Deny lines that speak of the image or of a source, and of this use of it.
  func restrictingLines() -> [ReferenceLine] {
    register.lines.filter { line in
      line.grant.effect == .deny && matching.mayMeanThis(line.grant)
        && lineage.nodes.contains {
          lineage.mayRestrict(line, $0, withOtherMembers: withOtherMembers)
            && lineage.holds(line, $0)
        }
    }
  }
}
