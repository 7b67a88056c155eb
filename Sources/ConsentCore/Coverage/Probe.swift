/// Asks whether any Check for this use and audience (any role, relationship, membership, recipient
/// and channel, no emergency) would PERMIT, by the same ladder and allowance as `decide`.
///
/// INVARIANT: `isCovered` is true exactly when some such Check would PERMIT.
///
/// - Parameter facts: as for `decide`.
public func probe(
  image: ImageKey, use: Use, audience: Audience, facts: Facts, at: Instant
) -> Coverage {
  let asked = CheckRequest(image: image, use: use, audience: audience, channel: nil, actor: nil)
  return CaseFile(asked, caller: CallerLimits(), facts: facts)
    .coverage(use: use, audience: audience, at: at)
}

/// The same, for who asks about many images of the same facts.
public func probe(
  image: ImageKey, use: Use, audience: Audience, facts: IndexedFacts, at: Instant
) -> Coverage {
  let asked = CheckRequest(image: image, use: use, audience: audience, channel: nil, actor: nil)
  return CaseFile(asked, caller: CallerLimits(), in: facts)
    .coverage(use: use, audience: audience, at: at)
}

extension CaseFile {
  fileprivate func coverage(use: Use, audience: Audience, at: Instant) -> Coverage {
    guard lineage != nil else { return Coverage(coverageClass: .unknownImage) }
    let probe = Probe(file: self, use: use, audience: audience)
    let answer = probe.answer(at: at)
    var coverage = Coverage(
      coverageClass: answer.coverageClass(isRestricted: probe.isForNamedOnly(answer, at: at)),
      records: answer.records, policyVersion: answer.policyVersion)
    if answer.effect == .permit {
      coverage.expiresAt = changes(after: at).first { probe.answer(at: $0).effect == .deny }
    }
    return coverage
  }
}

/// The finite set of Checks that stands for all of a cell: who could be in a different position
/// before the rules, by what the facts name.
struct Probe {
  let file: CaseFile
  let use: Use
  let audience: Audience

  /// The first PERMIT; else the DENY whose reason has the highest precedence.
  func answer(at: Instant) -> Decision {
    var denied: Decision?
    for request in requests(at: at) {
      let decision = CaseFile(file, asking: request).answer(at: at)
      if decision.effect == .permit { return decision }
      if denied.map({ speaksBefore(decision.primary, $0.primary) }) ?? true { denied = decision }
    }
    return denied ?? Decision(effect: .deny, primary: .noAuthorization, at: at)
  }

  /// By precedence; of two standing denies the one that stands against a valid permit says more.
  private func speaksBefore(_ a: Reason, _ b: Reason) -> Bool {
    let standing: [Reason] = [.refused, .denyMoreSpecific, .conflictDenyWins]
    return standing.contains(a) && standing.contains(b) ? a.rank > b.rank : a.rank < b.rank
  }

  /// A recipient nobody has named would not be permitted.
  func isForNamedOnly(_ answer: Decision, at: Instant) -> Bool {
    guard answer.effect == .permit else { return false }
    let policy = file.facts.policy(at: at, errors: file.errors)
    // A business associate is always one on file, and to belong to the one who discloses is not to
    // be named as the one who receives.
    let common = audience.needsRecipient ? [] : disclosers + programUnits
    let strangers =
      [stranger(memberOf: common)]
      + policy.businessAssociates.map { stranger(memberOf: common + [$0]) }
    return !requests(at: at, receivers: strangers).contains {
      CaseFile(file, asking: $0).answer(at: at).effect == .permit
    }
  }

  // MARK: The checks

  private func requests(at: Instant) -> [CheckRequest] {
    requests(at: at, receivers: receivers(at: at))
  }

  private func requests(at: Instant, receivers: [Receiving]) -> [CheckRequest] {
    let policy = file.facts.policy(at: at, errors: file.errors)
    var requests: [CheckRequest] = []
    for channel in channels(policy) {
      for role in roles(policy) {
        for receiver in receivers {
          let actor = Actor(
            user: audience.needsRecipient ? Probe.nobody : receiver.identifier, role: role,
            relationship: .careTeam,
            memberOf: actorMemberships(receiver))
          requests.append(
            CheckRequest(
              image: file.request.image, use: use, audience: audience, channel: channel,
              actor: actor,
              recipient: audience.needsRecipient
                ? Party(
                  kind: receiver.kind, identifier: receiver.identifier,
                  memberOf: receiver.memberOf)
                : nil))
        }
      }
    }
    return requests
  }

  /// Channels differ only by what the gate and the lines say of them.
  private func channels(_ policy: Policy) -> [Channel] {
    let patient = file.lineage?.own.patient
    let open = policy.channels(use: use, audience: audience, patient: patient).elements
    let limited = file.lines.contains { $0.grant.channels != nil }
    if open.isEmpty { return [.ehr] }
    return limited ? Channel.allCases : [open[0]]
  }

  /// Roles differ only by whether they are on the list the use goes by.
  private func roles(_ policy: Policy) -> [RoleClass] {
    let allowed = use.isTreatment ? policy.treatmentRoles : policy.operationsRoles
    return [allowed.elements.first ?? .other]
  }

  struct Receiving {
    let kind: RecipientKind
    let identifier: Identifier
    let memberOf: [Identifier]
  }

  /// An identifier that no record holds: its system is not a name space.
  static let nobody = Identifier(system: "\u{0}probe", value: "actor")
  private static let unnamed = Identifier(system: "\u{0}probe", value: "receiver")
  private static let nowhere = Identifier(system: "\u{0}probe", value: "membership")

  private func stranger(memberOf: [Identifier]) -> Receiving {
    // A membership is stated, so that it is not unknown.
    Receiving(kind: .person, identifier: Probe.unnamed, memberOf: [Probe.nowhere] + memberOf)
  }

  /// Everybody the lines could tell apart: nobody in particular, each one named, and members of
  /// what is named, with and without what a deny names.
  private func receivers(at: Instant) -> [Receiving] {
    let policy = file.facts.policy(at: at, errors: file.errors)
    let named = file.lines.filter { $0.uses.contains(use) }
    func identifiers(_ lines: [Line]) -> [Identifier] {
      lines.flatMap(\.grant.recipients).compactMap(\.identifier)
    }
    let permitted = identifiers(named.filter(\.isPermit))
    let denied = Set(identifiers(named.filter { !$0.isPermit }))
    let associates = audience == .businessAssociate ? policy.businessAssociates : []
    let units = audience.needsRecipient ? [] : programUnits
    let disclosers = audience.needsRecipient ? [] : self.disclosers
    let all = unique(permitted + associates + units + disclosers)
    let harmless = all.filter { !denied.contains($0) }
    var memberships = [[], harmless, all] + all.filter(denied.contains).map { harmless + [$0] }
    for associate in associates { memberships.append([associate]) }
    var seen = Set<[Identifier]>()
    memberships = memberships.filter { seen.insert($0).inserted }
    var receivers = memberships.map(stranger)
    for identifier in unique(permitted + associates) {
      for membership in memberships {
        receivers.append(
          Receiving(
            kind: .person, identifier: identifier, memberOf: [Probe.nowhere] + membership))
      }
    }
    return receivers
  }

  private func actorMemberships(_ receiver: Receiving) -> [Identifier] {
    audience.needsRecipient
      ? [Probe.nowhere] + unique(programUnits + disclosers) : receiver.memberOf
  }

  private var programUnits: [Identifier] {
    unique(file.lineage?.images.compactMap(\.part2?.programUnit) ?? [])
  }

  private var disclosers: [Identifier] {
    unique(file.lines.flatMap(\.grant.disclosers).compactMap(\.identifier))
  }

  private func unique(_ identifiers: [Identifier]) -> [Identifier] {
    var seen = Set<Identifier>()
    return identifiers.filter { seen.insert($0).inserted }
  }
}

extension Decision {
  func coverageClass(isRestricted: Bool) -> CoverageClass {
    let reason = primary == .mergeMostRestrictive ? further.first ?? primary : primary
    switch reason {
    case .notPHIDeidentified: return .deidentified
    case .authorizationValid, .consentValid:
      return isRestricted ? .coveredForNamedRecipients : .covered
    case .treatmentNoAuthorizationRequired, .operationsNoAuthorizationRequired, .individualAccess,
      .part2Internal:
      return .notNeeded(reason)
    case .restrictionAgreed: return .restricted
    case .refused, .denyMoreSpecific, .conflictDenyWins: return .refused
    case .authorizationRevoked: return .revoked
    case .authorizationExpiredEvent, .authorizationExpiredDate: return .expired
    case .authorizationFalseInformation: return .defective(nil)
    case .signerNoAuthority: return .defective(.signerAuthority)
    case .authorizationCompound: return .defective(.compound)
    case .authorizationConditioned: return .defective(.conditioned)
    case .authorizationIncomplete: return incompleteClass
    case .majorityReviewRequired: return .majorityReview
    case .notYetEffective: return .notYetEffective
    case .noAuthorization: return .neverAsked
    case .researchNotSupported: return .notSupported
    case .recordNotEvaluable: return .notEvaluable
    case .imageUnknown: return .unknownImage
    case .purposeRequired, .audienceRequired, .channelRequired, .actorRequired, .recipientRequired,
      .patientMismatch, .assertionNotAllowed, .mergeMostRestrictive, .contractRequired,
      .roleNotPermitted, .relationshipRequired, .consentNotSufficient, .audienceNotNamed,
      .recipientNotNamed, .discloserNotNamed, .channelNotInGrant, .notInDescribedInformation,
      .part2ConsentRequired, .deidentificationWithdrawn, .deidentificationFacialFeatures,
      .deidentificationUnproven, .emergencyOverride, .part2MedicalEmergency,
      .emergencyNotPermitted, .channelNotPermitted, .restrictionRequested, .partialScope,
      .accessRestricted:
      return .notNamed(reason)
    }
  }

  private var incompleteClass: CoverageClass {
    let defects = records.first { $0.reason == .authorizationIncomplete }?.defects ?? []
    return defects.contains(.signature) ? .askedWithoutAnswer : .defective(defects.first)
  }
}
