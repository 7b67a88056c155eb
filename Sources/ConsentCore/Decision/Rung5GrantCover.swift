// Rung 5: a valid grant of at least the strength asked covers the question.

extension Moment {
  /// - Returns: the answer, or `nil` if no grant covers or Part 2 is not satisfied.
  func grantCover(
    _ question: Question, requirement: Requirement, permits: [Cover], denies: DenyOutcome
  ) -> Verdict? {
    guard suffices(permits) else { return nil }
    let part2 = part2Condition(question)
    guard part2.isMet else { return nil }
    let authorizations = permits.filter { $0.line.paper.kind == .authorization }
    let isAuthorized = suffices(authorizations)
    let basis = speaking(isAuthorized ? authorizations : permits, defeaters: denies.defeaters)
    // An authorization states who may; a consent leaves 164.514(d)(2) as it is, so where the use
    // has a basis of its own, or is treatment, role and relationship are asked all the same.
    if !isAuthorized, question.use.isTreatment || requirement.strength == .none,
      let verdict = roleFault(question, requirement: requirement)
    {
      return verdict
    }
    let reason: Reason = isAuthorized ? .authorizationValid : .consentValid
    var further: [Reason] = []
    if case .withinUnit = part2 { further = [.part2Internal] }
    return .permit(
      reason, further: further,
      records: (basis.map { $0.line.record(.basis, reason) } + part2Records(part2)
        + denies.defeated).inOrder,
      obligations: (basis.flatMap(\.line.grant.obligations)
        + (isAuthorized || question.use.isTreatment || question.audience == .individual
          ? [] : policy.operationsObligations)
        + part2Obligations(part2, question)).inOrder)
  }

  /// The grants the answer rests on: the one signed last if it covers alone, and those that
  /// defeated a deny; else all that cover together.
  private func speaking(_ covers: [Cover], defeaters: Set<GrantID>) -> [Cover] {
    guard covers.count > 1 else { return covers }
    let ordered = covers.lastSigned
    guard let alone = ordered.first(where: { suffices([$0]) }) else { return covers }
    return [alone]
      + covers.filter {
        defeaters.contains($0.line.grant.id) && $0.line.grant.id != alone.line.grant.id
      }
  }
}

extension [Obligation] {
  /// Each once, in a fixed order.
  var inOrder: [Obligation] {
    guard count > 1 else { return self }
    var seen = Set<Obligation>()
    return filter { seen.insert($0).inserted }.sorted { $0.place < $1.place }
  }
}

extension Obligation {
  fileprivate var place: (Int, Int) {
    switch self {
    case .removeBurnedInIdentifiers: (1, 0)
    case .stripMetadata: (2, 0)
    case .cropToRegion: (3, 0)
    case .limitToRecipient: (4, 0)
    case .askReceiverNotToRedisclose: (5, 0)
    case .part2Notice: (6, 0)
    case .reviewWithin(let hours): (7, hours)
    }
  }
}
