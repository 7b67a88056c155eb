import ConsentCore
import ConsentProto

extension CoverageClass {
  /// The class on the wire. Every class of the core has exactly one place.
  func proto(isExpiring: Bool) -> Consent_V1_CoverageClass {
    switch self {
    case .covered: isExpiring ? .expiring : .covered
    case .coveredForNamedRecipients: isExpiring ? .expiring : .coveredNamedRecipients
    case .notNeeded: .notNeeded
    case .deidentified: .deidentified
    case .expired: .expired
    case .revoked: .revoked
    case .defective: .defective
    case .refused, .restricted: .refused
    // A paper is there, and no answer of it covers this now.
    case .majorityReview, .notYetEffective, .notNamed, .askedWithoutAnswer: .askedWithoutAnswer
    case .neverAsked: .neverAsked
    case .notSupported, .unknownImage: .notPermitted
    case .notEvaluable: .notEvaluable
    }
  }

  /// The reason that breaks the class down, or that a check of this class answers with.
  var reason: Reason? {
    switch self {
    case .notNeeded(let reason), .notNamed(let reason): reason
    case .deidentified: .notPHIDeidentified
    case .expired: nil
    case .revoked: .authorizationRevoked
    case .defective(let element):
      element == nil ? .authorizationFalseInformation : .authorizationIncomplete
    case .refused: .refused
    case .restricted: .restrictionAgreed
    case .majorityReview: .majorityReviewRequired
    case .notYetEffective: .notYetEffective
    case .neverAsked, .askedWithoutAnswer: .noAuthorization
    case .notSupported: .researchNotSupported
    case .notEvaluable: .recordNotEvaluable
    case .unknownImage: .imageUnknown
    case .covered, .coveredForNamedRecipients: nil
    }
  }

  var element: DefectElement? {
    if case .defective(let element) = self { return element }
    return nil
  }
}
