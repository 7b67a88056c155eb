// Whether a permit line is valid at an instant (45 CFR 164.508(b)(2)), and if not, the first code.

extension Moment {
  func invalidity(of line: Line, _ question: Question) -> Reason? {
    if let since = line.falsified, since <= at { return .authorizationFalseInformation }
    if isRevoked(line) { return .authorizationRevoked }
    if let end = line.endsByEvent, end <= at { return .authorizationExpiredEvent }
    if line.grant.expiry == .majority, majority(of: line).map({ $0 <= at }) ?? true {
      return .authorizationExpiredEvent
    }
    if let end = line.endsByDate, end <= at { return .authorizationExpiredDate }
    if lacksAuthority(line, question) { return .signerNoAuthority }
    if !line.missing.isEmpty { return .authorizationIncomplete }
    if line.isCompound { return .authorizationCompound }
    if line.isConditioned { return .authorizationConditioned }
    if needsMajorityReview(line) { return .majorityReviewRequired }
    if line.grant.effectiveFrom > at { return .notYetEffective }
    return nil
  }

  /// Recorded evidence, recorded limits of the authority, or the birth date show that the signer
  /// could not sign this. A blank description alone is an incomplete paper, no evidence.
  private func lacksAuthority(_ line: Line, _ question: Question) -> Bool {
    if let since = line.withoutAuthority, since <= at { return true }
    let signer = line.paper.signer
    if signer.capacity.restsOnMinority, line.paper.isSigned(from: patient(of: line)) { return true }
    guard !signer.capacity.isIndividual else { return false }
    return signer.authorityUses.map { !$0.contains(question.use) } ?? false
  }

  /// A parent's authority ends at majority; an unknown birth date never counts for a permit.
  private func needsMajorityReview(_ line: Line) -> Bool {
    guard line.paper.signer.capacity.restsOnMinority else { return false }
    guard let majority = majority(of: line) else { return true }
    return policy.majorityReview && majority <= at
  }
}
