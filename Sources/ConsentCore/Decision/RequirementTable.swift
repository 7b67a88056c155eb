/// The use-by-audience table of what each use asks for, with the policy switches applied.
extension Policy {
  /// What a cell asks for. Total: every use and audience has an entry.
  ///
  /// - Source: 45 CFR 164.506(c) (treatment, operations), 164.508(a) (authorization), 164.524
  ///   (individual access), 164.504(e) (business associates).
  public func requirement(use: Use, audience: Audience) -> Requirement {
    switch (use, audience) {
    case (.research, _): .never
    case (_, .individual): .individualAccess
    case (_, .external): .authorization
    case (.diagnosis, .businessAssociate), (.consultation, .businessAssociate):
      treatmentNeedsConsent ? .consentWithContract : .treatmentBasisWithContract
    case (.diagnosis, _), (.consultation, _):
      treatmentNeedsConsent ? .consent : .treatmentBasis
    case (.education, .ownWorkforce):
      educationOwnWorkforceAsOperations ? .operationsBasis : .consent
    case (.education, .traineesSupervised):
      educationTraineesAsOperations ? .operationsBasis : .consent
    case (.education, .treatingProvider):
      educationTreatingProviderAsOperations ? .operationsBasis : .authorization
    case (.education, .businessAssociate):
      educationOwnWorkforceAsOperations ? .operationsBasisWithContract : .consentWithContract
    }
  }

  /// The channels a use may go over, before any limit of a grant. Personal messaging and social
  /// media are never among them, whatever the policy lists: the floor of 164.312(e)(1).
  public func channels(use: Use, audience: Audience, patient: PatientID?) -> ClosedSet<Channel> {
    let open: ClosedSet<Channel>
    if audience == .individual {
      let asked = patient.map(personalEmailRequests.contains) ?? false
      open = asked ? individualChannels.union([.personalEmail]) : individualChannels
    } else if use.isTreatment {
      open = treatmentChannels
    } else {
      open = audience == .external ? externalEducationChannels : internalEducationChannels
    }
    return open.subtracting(neverOpen)
  }
}

private let neverOpen: ClosedSet<Channel> = [.personalMessaging, .socialMedia]

extension Requirement {
  /// The strength a signed basis must have. `none`: the cell has a basis of its own.
  public var strength: Strength {
    switch self {
    case .treatmentBasis, .treatmentBasisWithContract, .operationsBasis,
      .operationsBasisWithContract, .individualAccess, .never:
      .none
    case .consent, .consentWithContract: .consent
    case .authorization: .authorization
    }
  }

  public var isTreatmentBasis: Bool {
    self == .treatmentBasis || self == .treatmentBasisWithContract
  }

  public var isOperationsBasis: Bool {
    self == .operationsBasis || self == .operationsBasisWithContract
  }

  /// Treatment and operations, with or without a consent on top: what a restriction under
  /// 164.522(a)(1)(i) may reach.
  public var isTreatmentOrOperations: Bool {
    isTreatmentBasis || isOperationsBasis || strength == .consent
  }
}

extension Facts {
  /// The policy in force at `at`: the highest version effective by then and not entered in error;
  /// without one the built-in default.
  public func policy(at: Instant) -> Policy {
    policy(at: at, errors: EnteredErrors(enteredInError))
  }

  func policy(at: Instant, errors: EnteredErrors) -> Policy {
    guard !policies.isEmpty else { return .builtIn }
    var found: Policy?
    for policy in policies
    where policy.effective <= at && policy.version > found?.version ?? 0
      && !errors.contains(.policy, policy.recordID)
    {
      found = policy
    }
    return found ?? .builtIn
  }
}
