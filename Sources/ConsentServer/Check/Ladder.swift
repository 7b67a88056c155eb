import ConsentCore
import ConsentProto

extension Decision {
  /// The ladder as it was gone through, read off the reasons: each rung above the one that decided
  /// let the request pass; then an emergency may have lifted the DENY, and the channel closed it.
  var ladder: [Consent_V1_RungOutcome] {
    var reasons = [primary] + further
    reasons.removeAll { $0 == .mergeMostRestrictive || $0 == .restrictionRequested }
    let gates = reasons.prefix { $0.rung == .emergency || $0.rung == .channel }
    let decided = reasons.dropFirst(gates.count).first
    var outcomes: [Consent_V1_RungOutcome] = []
    if let decided {
      let last = decided.rung.rawValue
      for rung in Consent_V1_Rung.allCases
      where rung != .unspecified && rung.rawValue < last {
        outcomes.append(Consent_V1_RungOutcome(rung))
      }
      let lifted = gates.contains { $0.rung == .emergency && $0 != .emergencyNotPermitted }
      let closed = gates.contains(.channelNotPermitted)
      let effect: Effect = lifted ? .deny : closed ? .permit : self.effect
      outcomes.append(Consent_V1_RungOutcome(decided.rung, effect, decided))
    }
    let notPermitted = further.contains(.emergencyNotPermitted)
    if notPermitted, !gates.contains(.emergencyNotPermitted) {
      outcomes.append(Consent_V1_RungOutcome(.emergency, .deny, .emergencyNotPermitted))
    }
    for reason in gates.reversed() {
      let permits = reason == .emergencyOverride || reason == .part2MedicalEmergency
      outcomes.append(Consent_V1_RungOutcome(reason.rung, permits ? .permit : .deny, reason))
    }
    return outcomes
  }
}

extension Consent_V1_RungOutcome {
  init(_ rung: Consent_V1_Rung, _ effect: Effect? = nil, _ reason: Reason? = nil) {
    self.init()
    self.rung = rung
    if let effect { self.effect = effect.proto() }
    if let reason { self.reason = reason.proto() }
  }
}

extension Reason {
  /// The rung of the ladder that answers with this reason.
  var rung: Consent_V1_Rung {
    switch self {
    case .purposeRequired, .audienceRequired, .channelRequired, .actorRequired, .recipientRequired,
      .patientMismatch, .assertionNotAllowed, .imageUnknown, .recordNotEvaluable,
      .mergeMostRestrictive, .partialScope:
      .request
    case .notPHIDeidentified: .deidentification
    // What stands for a masked reason tells no more than that the answer came before the grants.
    case .restrictionAgreed, .accessRestricted: .restriction
    case .refused, .denyMoreSpecific, .conflictDenyWins, .researchNotSupported: .standingDeny
    case .authorizationValid, .consentValid: .grant
    case .treatmentNoAuthorizationRequired, .operationsNoAuthorizationRequired, .individualAccess,
      .part2Internal, .contractRequired, .roleNotPermitted, .relationshipRequired,
      .restrictionRequested:
      .basis
    case .authorizationFalseInformation, .authorizationRevoked, .authorizationExpiredEvent,
      .authorizationExpiredDate, .signerNoAuthority, .authorizationIncomplete,
      .authorizationCompound, .authorizationConditioned, .majorityReviewRequired,
      .notYetEffective, .consentNotSufficient, .audienceNotNamed, .recipientNotNamed,
      .discloserNotNamed, .channelNotInGrant, .notInDescribedInformation, .part2ConsentRequired,
      .deidentificationWithdrawn, .deidentificationFacialFeatures, .deidentificationUnproven:
      .nearMiss
    case .noAuthorization: .nothing
    case .emergencyOverride, .part2MedicalEmergency, .emergencyNotPermitted: .emergency
    case .channelNotPermitted: .channel
    }
  }
}
