// Rung 6: the use has a basis by the table (45 CFR 164.506(c), 164.524), for a role class that may
// and with a stated relationship (164.514(d)(2)).

extension Moment {
  /// - Returns: the answer, or `nil` where the table gives no basis.
  func basis(_ question: Question, requirement: Requirement) -> Verdict? {
    let reason: Reason
    if requirement.isTreatmentBasis {
      reason = .treatmentNoAuthorizationRequired
    } else if requirement.isOperationsBasis {
      reason = .operationsNoAuthorizationRequired
    } else if requirement == .individualAccess {
      reason = .individualAccess
    } else {
      return nil
    }
    if let fault = roleFault(question, requirement: requirement) { return fault }
    let part2 = part2Condition(question)
    let obligations =
      (requirement.isOperationsBasis ? policy.operationsObligations : [])
      + part2Obligations(part2, question)
    switch part2 {
    case .missing(let records): return .deny(.part2ConsentRequired, records: records)
    case .withinUnit: return .permit(.part2Internal, further: [reason])
    case .notMarked, .consented:
      return .permit(
        reason, records: part2Records(part2), obligations: obligations.inOrder)
    }
  }

  /// The individual's own access asks neither role nor relationship of the one who serves it.
  func roleFault(_ question: Question, requirement: Requirement) -> Verdict? {
    let roles: ClosedSet<RoleClass>
    if requirement == .individualAccess {
      return nil
    } else if question.use.isTreatment {
      roles = policy.treatmentRoles
    } else {
      roles = policy.operationsRoles
    }
    if !roles.contains(question.actor.role) { return .deny(.roleNotPermitted) }
    if question.actor.relationship == .noneStated { return .deny(.relationshipRequired) }
    return nil
  }

  /// Without a contract on file a recipient is no business associate (164.504(e)), whatever was
  /// signed.
  func contractFault(_ question: Question) -> Verdict? {
    guard question.audience == .businessAssociate else { return nil }
    let receiver = question.receiver
    let isContracted = policy.businessAssociates.contains { associate in
      receiver.identifier == associate
        || (receiver.kind == .person && receiver.memberOf.contains(associate))
    }
    return isContracted ? nil : .deny(.contractRequired)
  }
}
