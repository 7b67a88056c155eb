import ConsentCore

/// Rung 4: standing denies and what defeats them.
extension ReferenceRungs {
  func standingDeny() -> Reason? {
    let usable = usableLines(atLeast: strengthAsked)
    let permits = lineage.isPermitted(by: usable) ? usable : []
    let codes = restrictingLines()
      .filter { isStandingDeny($0) }
      .flatMap { deny in
        lineage.nodes
          .filter {
            lineage.mayRestrict(deny, $0, withOtherMembers: withOtherMembers)
              && lineage.holds(deny, $0)
          }
          .compactMap { node in
            undefeated(deny, by: permits.filter { lineage.reaches($0, node) })
          }
      }
    return Reason.allCases.first { codes.contains($0) }
  }

  /// "A deny line inside an authorization is an exclusion of that form, not a refusal"; an
  /// agreed restriction has its own rung. A request for one is as good as a refusal here.
  private func isStandingDeny(_ line: ReferenceLine) -> Bool {
    switch line.instrument.kind {
    case .refusal, .consent, .part2Consent, .restrictionRequest: register.stands(line)
    case .authorization, .restrictionAgreed: false
    }
  }

  /// The code of a deny that none of the valid permits defeats; `nil` if one does.
  private func undefeated(_ deny: ReferenceLine, by permits: [ReferenceLine]) -> Reason? {
    let specific = permits.filter {
      lineage.isAtLeastAsSpecific($0.grant.scope, as: deny.grant.scope)
    }
    if specific.contains(where: {
      $0.signed.isLater(than: deny.signed) && mayDefeat($0, deny)
    }) {
      return nil
    }
    if permits.isEmpty { return .refused }
    if specific.isEmpty { return .denyMoreSpecific }
    let isSameDay = specific.contains {
      !deny.signed.isLater(than: $0.signed) && !$0.signed.isLater(than: deny.signed)
    }
    return isSameDay ? .conflictDenyWins : .refused
  }

  /// "An individual's deny is defeated only by that individual's permit; a representative's also
  /// by a permit of the same representative."
  private func mayDefeat(_ permit: ReferenceLine, _ deny: ReferenceLine) -> Bool {
    let person = register.members(with: permit.permits)
    guard deny.restricts.contains(where: person.contains) else { return false }
    let signer = permit.instrument.signer
    let refuser = deny.instrument.signer
    if signer.capacity.isIndividual { return true }
    return !refuser.capacity.isIndividual && refuser.identity != nil
      && refuser.identity == signer.identity
  }
}
