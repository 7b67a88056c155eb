// After the ladder: an attested emergency lifts a DENY of a treatment use, for this answer only
// (45 CFR 164.312(a)(2)(ii), 164.522(a)(1)(iii), 42 CFR 2.51). It never opens education, and not
// an audience that treats nobody.

extension Moment {
  /// How long an override answers for.
  static let emergencyMicroseconds = 60 * Int64.microsecondsPerMinute

  func emergency(_ verdict: Verdict) -> Verdict {
    guard verdict.effect == .deny, file.request.emergency != nil, let question = file.question
    else { return verdict }
    guard mayOverride(question), verdict.yieldsToEmergency else {
      var refused = verdict
      refused.further.append(.emergencyNotPermitted)
      return refused
    }
    var lifted = verdict.superseded(by: .emergencyOverride, effect: .permit)
    if isPart2 { lifted = lifted.superseded(by: .part2MedicalEmergency, effect: .permit) }
    // What failed is listed on a DENY only; what was overridden is what the reviewer asks about.
    lifted.records.removeAll { $0.part == .failed }
    lifted.obligations = [.reviewWithin(hours: policy.emergencyReviewHours)]
    if question.isDisclosure { lifted.obligations.append(.askReceiverNotToRedisclose) }
    lifted.obligations = lifted.obligations.inOrder
    return lifted
  }

  private func mayOverride(_ question: Question) -> Bool {
    question.use.isTreatment && question.audience != .external
      && policy.emergencyRoles.contains(question.actor.role)
  }
}
