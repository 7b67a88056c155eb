/// Where an image stands for a use and audience: one class per image, so that rows add up to the
/// denominator.
public enum CoverageClass: Hashable, Sendable, Codable {
  /// A grant permits, to whoever receives.
  case covered
  /// A grant permits, to the recipients it names only.
  case coveredForNamedRecipients
  /// The law or policy gives the basis: TREATMENT_…, OPERATIONS_…, INDIVIDUAL_ACCESS,
  /// PART2_INTERNAL.
  case notNeeded(Reason)
  case deidentified
  case expired
  case revoked
  /// The paper is no good; the first element, or `nil` where the code names none (false
  /// information).
  case defective(DefectElement?)
  case refused
  /// An agreed restriction.
  case restricted
  case majorityReview
  case notYetEffective
  /// A paper was handed out and came back unsigned.
  case askedWithoutAnswer
  /// Something was signed, but not for this: the code says what is lacking.
  case notNamed(Reason)
  case neverAsked
  /// Research: recordable, never permitted by this version.
  case notSupported
  case notEvaluable
  case unknownImage

  /// At least one Check would PERMIT.
  public var isCovered: Bool {
    switch self {
    case .covered, .coveredForNamedRecipients, .notNeeded, .deidentified: true
    case .expired, .revoked, .defective, .refused, .restricted, .majorityReview, .notYetEffective,
      .askedWithoutAnswer, .notNamed, .neverAsked, .notSupported, .notEvaluable, .unknownImage:
      false
    }
  }

  /// Stable word for rows and columns, upper snake case, with its detail after a colon.
  public var name: String {
    switch self {
    case .covered: "COVERED"
    case .coveredForNamedRecipients: "COVERED_FOR_NAMED_RECIPIENTS"
    case .notNeeded(let reason): "NOT_NEEDED:" + reason.name
    case .deidentified: "DEIDENTIFIED"
    case .expired: "EXPIRED"
    case .revoked: "REVOKED"
    case .defective(let element): "DEFECTIVE" + (element.map { ":" + $0.name } ?? "")
    case .refused: "REFUSED"
    case .restricted: "RESTRICTED"
    case .majorityReview: "MAJORITY_REVIEW"
    case .notYetEffective: "NOT_YET_EFFECTIVE"
    case .askedWithoutAnswer: "ASKED_WITHOUT_ANSWER"
    case .notNamed(let reason): "NOT_NAMED:" + reason.name
    case .neverAsked: "NEVER_ASKED"
    case .notSupported: "NOT_SUPPORTED"
    case .notEvaluable: "NOT_EVALUABLE"
    case .unknownImage: "UNKNOWN_IMAGE"
    }
  }
}

/// The answer of a probe. Never an answer to a use: it permits nothing.
public struct Coverage: Hashable, Sendable, Codable {
  public var coverageClass: CoverageClass
  /// The first instant after the probe's, exclusive, at which the clock alone ends coverage (for a
  /// covered image); "expiring within N days" counts these. `nil` = none foreseen.
  public var expiresAt: Instant?
  /// The records behind the class.
  public var records: [DecidingRecord]
  public var policyVersion: Int

  public init(
    coverageClass: CoverageClass, expiresAt: Instant? = nil, records: [DecidingRecord] = [],
    policyVersion: Int = 0
  ) {
    self.coverageClass = coverageClass
    self.expiresAt = expiresAt
    self.records = records
    self.policyVersion = policyVersion
  }
}
