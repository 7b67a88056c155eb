extension Reason {
  /// The word of the specification, upper snake case; stable, for logs, metrics and ErrorInfo.
  public var name: String {
    switch self {
    case .purposeRequired: "PURPOSE_REQUIRED"
    case .audienceRequired: "AUDIENCE_REQUIRED"
    case .channelRequired: "CHANNEL_REQUIRED"
    case .actorRequired: "ACTOR_REQUIRED"
    case .recipientRequired: "RECIPIENT_REQUIRED"
    case .patientMismatch: "PATIENT_MISMATCH"
    case .assertionNotAllowed: "ASSERTION_NOT_ALLOWED"
    case .imageUnknown: "IMAGE_UNKNOWN"
    case .recordNotEvaluable: "RECORD_NOT_EVALUABLE"
    case .mergeMostRestrictive: "MERGE_MOST_RESTRICTIVE"
    case .notPHIDeidentified: "NOT_PHI_DEIDENTIFIED"
    case .restrictionAgreed: "RESTRICTION_AGREED"
    case .refused: "REFUSED"
    case .denyMoreSpecific: "DENY_MORE_SPECIFIC"
    case .conflictDenyWins: "CONFLICT_DENY_WINS"
    case .authorizationValid: "AUTH_VALID"
    case .consentValid: "CONSENT_VALID"
    case .treatmentNoAuthorizationRequired: "TREATMENT_NO_AUTHORIZATION_REQUIRED"
    case .operationsNoAuthorizationRequired: "OPERATIONS_NO_AUTHORIZATION_REQUIRED"
    case .individualAccess: "INDIVIDUAL_ACCESS"
    case .part2Internal: "PART2_INTERNAL"
    case .contractRequired: "CONTRACT_REQUIRED"
    case .roleNotPermitted: "ROLE_NOT_PERMITTED"
    case .relationshipRequired: "RELATIONSHIP_REQUIRED"
    case .authorizationFalseInformation: "AUTH_FALSE_INFO"
    case .authorizationRevoked: "AUTH_REVOKED"
    case .authorizationExpiredEvent: "AUTH_EXPIRED_EVENT"
    case .authorizationExpiredDate: "AUTH_EXPIRED_DATE"
    case .signerNoAuthority: "SIGNER_NO_AUTHORITY"
    case .authorizationIncomplete: "AUTH_INCOMPLETE"
    case .authorizationCompound: "AUTH_COMPOUND"
    case .authorizationConditioned: "AUTH_CONDITIONED"
    case .majorityReviewRequired: "MAJORITY_REVIEW_REQUIRED"
    case .notYetEffective: "NOT_YET_EFFECTIVE"
    case .consentNotSufficient: "CONSENT_NOT_SUFFICIENT"
    case .audienceNotNamed: "AUDIENCE_NOT_NAMED"
    case .recipientNotNamed: "RECIPIENT_NOT_NAMED"
    case .discloserNotNamed: "DISCLOSER_NOT_NAMED"
    case .channelNotInGrant: "CHANNEL_NOT_IN_GRANT"
    case .notInDescribedInformation: "NOT_IN_DESCRIBED_INFORMATION"
    case .part2ConsentRequired: "PART2_CONSENT_REQUIRED"
    case .deidentificationWithdrawn: "DEID_WITHDRAWN"
    case .deidentificationFacialFeatures: "DEID_FACIAL_FEATURES"
    case .deidentificationUnproven: "DEID_UNPROVEN"
    case .researchNotSupported: "RESEARCH_NOT_SUPPORTED"
    case .noAuthorization: "NO_AUTHORIZATION"
    case .emergencyOverride: "EMERGENCY_OVERRIDE"
    case .part2MedicalEmergency: "PART2_MEDICAL_EMERGENCY"
    case .emergencyNotPermitted: "EMERGENCY_NOT_PERMITTED"
    case .channelNotPermitted: "CHANNEL_NOT_PERMITTED"
    case .restrictionRequested: "RESTRICTION_REQUESTED"
    case .partialScope: "PARTIAL_SCOPE"
    case .accessRestricted: "ACCESS_RESTRICTED"
    }
  }

  public init?(name: String) {
    guard let found = Reason.allCases.first(where: { $0.name == name }) else { return nil }
    self = found
  }

  /// Place in the order of precedence, which is the order of declaration: the numbers are names,
  /// given once, and say nothing of rank.
  public var rank: Int {
    let number = Int(rawValue)
    return number < Reason.ranks.count ? Reason.ranks[number] : Int.max
  }

  private static let ranks: [Int] = {
    var table = [Int](
      repeating: Int.max, count: 1 + allCases.map { Int($0.rawValue) }.reduce(0, max))
    for (place, reason) in allCases.enumerated() { table[Int(reason.rawValue)] = place }
    return table
  }()

  /// Tells of a substance use disorder record (42 CFR 2.13(c)(2)).
  public var isPart2: Bool {
    self == .part2Internal || self == .part2ConsentRequired || self == .part2MedicalEmergency
  }
}
