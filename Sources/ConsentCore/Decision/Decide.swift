/// Decides one request on one consistent set of facts: the whole of what this service is for.
///
/// Pure and total: the same request, facts and instant give the same answer, whatever the order of
/// the facts. The default is DENY. The reasons are the true ones; `Decision.masked` takes out what
/// a caller may not see.
///
/// With a clock allowance *a* in the policy (in force at `at`), the answer is a PERMIT only if the
/// rules permit at every instant of [at − a, at + a]; otherwise it is the DENY at `at`, or else at
/// `at − a`, or else the first one up to `at + a`. A change from one PERMIT to another within the
/// allowance does not matter.
///
/// - Parameters:
///   - caller: what the calling system may assert, from its credentials.
///   - facts: every fact about the image's patient, of its sources and of any member they were
///     ever merged with. Facts of others change nothing.
///   - at: the instant decided for, effective and known.
/// - Source: 45 CFR 164.502–164.528, 42 CFR part 2.
public func decide(
  _ request: CheckRequest, caller: CallerLimits, facts: Facts, at: Instant
) -> Decision {
  CaseFile(request, caller: caller, facts: facts).decision(at: at)
}

/// The same, for who asks about an image again and again.
///
/// - Parameters:
///   - image: of the request's image; on another's the answer is a DENY, "image unknown".
///   - position: the feed position that its facts are known to stand at, not before the one they
///     were read at.
public func decide(
  _ request: CheckRequest, caller: CallerLimits, on image: ImageCase, position: UInt64, at: Instant
) -> Decision {
  CaseFile(request, caller: caller, on: image, position: position).decision(at: at)
}

/// The same, for who asks about many images of the same facts.
public func decide(
  _ request: CheckRequest, caller: CallerLimits, facts: IndexedFacts, at: Instant
) -> Decision {
  CaseFile(request, caller: caller, in: facts).decision(at: at)
}

extension CaseFile {
  /// The answer with the instant up to which it stands.
  func decision(at: Instant) -> Decision {
    var decision = answer(at: at)
    decision.validUntil = validUntil(decision)
    return decision
  }

  /// The answer of the rules at exactly this instant, without the clock allowance.
  func ruling(at: Instant) -> Decision {
    let moment = Moment(self, at: at)
    let verdict = moment.channelGate(moment.emergency(moment.ladder()))
    var further: [Reason] = []
    for reason in verdict.further where reason != verdict.primary && !further.contains(reason) {
      further.append(reason)
    }
    return Decision(
      effect: verdict.effect, primary: verdict.primary, further: further,
      records: verdict.records, obligations: verdict.obligations,
      policyVersion: moment.policy.version, at: at, position: position)
  }
}

extension Moment {
  /// Rungs 2 to 8 in order; the first that answers, answers.
  func rungs(_ question: Question) -> Verdict {
    if let verdict = unevaluableRecord(question) { return verdict }
    if let verdict = deidentified(question) { return verdict }
    // What an unknown source carries is unknown, and that never permits.
    if file.lineage?.lacksSource ?? true { return .deny(.imageUnknown) }
    let requirement = policy.requirement(use: question.use, audience: question.audience)
    if let verdict = agreedRestriction(question, requirement: requirement) { return verdict }
    let covers = validCovers(question, atLeast: requirement.strength)
    let permits = suffices(covers) ? covers : []
    var denies = DenyOutcome()
    if requirement.strength > .none || requirement == .never {
      denies = standingDenies(question, permits: permits)
      if let verdict = denies.verdict { return verdict }
    }
    // Research is recordable and never permitted by this version.
    if requirement == .never { return .deny(.researchNotSupported) }
    if let verdict = contractFault(question) { return verdict }
    var verdict =
      grantCover(question, requirement: requirement, permits: permits, denies: denies)
      ?? basis(question, requirement: requirement)
      ?? nearMiss(question, requirement: requirement)
    let requested = requestedRestrictions(question, requirement: requirement)
    if !requested.isEmpty {
      verdict.further.append(.restrictionRequested)
      verdict.records += requested
    }
    return verdict
  }
}
