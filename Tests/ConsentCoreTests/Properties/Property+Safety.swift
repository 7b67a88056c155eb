import ConsentCore

/// What must never open anything.
extension Property {
  static let externalNeedsAuthorization = Property(
    name: "without an authorization nothing goes out", iterations: 60
  ) { decider, random in
    var facts = RegisterGenerator.register(seed: random.next()).facts
    facts.determinations = []
    for index in facts.instruments.indices
    where facts.instruments[index].kind == .authorization {
      facts.instruments[index].grants.removeAll { $0.effect == .permit }
    }
    let register = RegisterGenerator.register(seed: random.next())
    for _ in 0..<6 {
      var question = random.question(about: register)
      question.request.image =
        facts.images.randomElement(using: &random)?.key
        ?? question.request.image
      question.request.audience = .external
      question.request.emergency = nil
      let answer = decider.answer(question.arguments(facts))
      if answer.effect == .permit { return "\(answer) to \(question.request)" }
    }
    return nil
  }

  static let denyNeverOpens = Property(
    name: "adding a deny never turns DENY into PERMIT", iterations: 60
  ) { decider, random in
    var generator = RegisterGenerator(seed: random.next())
    _ = generator.makeRegister()
    generator.addSurePermit()
    generator.append(.instrument(generator.instrument(kind: .refusal)))
    let before = generator.register
    for _ in 0..<6 {
      let question = random.question(about: before)
      guard decider.answer(question.arguments(before.facts)).effect == .deny else { continue }
      let kind = random.one(of: [InstrumentKind.refusal, .refusal, .restrictionAgreed])
      let refusal = generator.instrument(kind: kind)
      var facts = before.facts
      facts.insert(.instrument(refusal))
      let answer = decider.answer(question.arguments(facts))
      if answer.effect == .permit { return "\(answer) to \(question.request) after \(refusal)" }
    }
    return nil
  }

  static let revocationDominates = Property(
    name: "after the revocation of every grant no paper permits", iterations: 60
  ) { decider, random in
    var generator = RegisterGenerator(seed: random.next())
    _ = generator.makeRegister()
    generator.addSurePermit()
    let register = generator.register
    let revocation = generator.revocationOfEverything()
    var facts = register.facts
    facts.insert(.revocation(revocation))
    for _ in 0..<6 {
      var question = random.question(about: register)
      question.at = max(question.at, revocation.stamp.recorded)
      if random.chance(50) { question.at = revocation.stamp.recorded }
      let answer = decider.answer(question.arguments(facts))
      if answer.primary == .authorizationValid || answer.primary == .consentValid {
        return "\(answer) to \(question.request)"
      }
      let mayGoOut: Set<Reason> = [
        .notPHIDeidentified, .emergencyOverride, .part2MedicalEmergency, .accessRestricted,
      ]
      if question.request.audience == .external, answer.effect == .permit,
        !mayGoOut.contains(answer.primary)
      {
        return "\(answer) to \(question.request)"
      }
    }
    return nil
  }

  static let emergencyIsForTreatment = Property(
    name: "an emergency never opens education", iterations: 60
  ) { decider, random in
    let register = RegisterGenerator.register(seed: random.next())
    for _ in 0..<6 {
      var question = random.question(about: register)
      question.request.use = random.chance(80) ? .education : .research
      question.request.emergency = nil
      let calm = decider.answer(question.arguments(register.facts))
      question.request.emergency = EmergencyAttestation(
        attester: SmallWorld.teacher, reason: "bleeding", attested: question.at)
      let attested = decider.answer(question.arguments(register.facts))
      if calm != attested { return "\(attested), not \(calm), to \(question.request)" }
    }
    return nil
  }

  static let channelsClose = Property(
    name: "an identifiable image never goes over a closed channel", iterations: 60
  ) { decider, random in
    let register = RegisterGenerator.register(seed: random.next())
    for _ in 0..<6 {
      var question = random.question(about: register)
      let open = decider.answer(question.arguments(register.facts))
      question.request.channel = random.chance(50) ? .socialMedia : .personalMessaging
      let closed = decider.answer(question.arguments(register.facts))
      if closed.effect == .permit, closed.primary != .notPHIDeidentified {
        return "\(closed) to \(question.request)"
      }
      if open.effect == .deny, closed.primary == .channelNotPermitted,
        open.primary != .channelNotPermitted, !mayDependOnChannel(open.primary)
      {
        return "the reason \(open.primary) was lost, to \(question.request)"
      }
    }
    return nil
  }

  /// Reasons that another channel may take away, because a line or a caller is limited to channels.
  private static func mayDependOnChannel(_ reason: Reason) -> Bool {
    let independent: Set<Reason> = [
      .purposeRequired, .audienceRequired, .actorRequired, .recipientRequired, .patientMismatch,
      .imageUnknown, .recordNotEvaluable, .contractRequired, .noAuthorization,
    ]
    return !independent.contains(reason)
  }

  static let part2StaysHidden = Property(
    name: "masked answers never reveal Part 2", iterations: 60
  ) { decider, random in
    let register = RegisterGenerator.register(seed: random.next())
    let facts = register.facts
    let part2Papers = Set(
      facts.instruments.filter { $0.kind == .part2Consent }.map { $0.id.retyped(as: Record.self) })
    for _ in 0..<8 {
      var question = random.question(about: register)
      question.caller.seesPart2 = true
      let open = decider.shown(question.arguments(facts))
      question.caller.seesPart2 = false
      let masked = decider.shown(question.arguments(facts))
      if open.effect != masked.effect || open.obligations != masked.obligations {
        return "the mask changed \(open) to \(masked), to \(question.request)"
      }
      let shown = [masked.primary] + masked.further + masked.records.map(\.reason)
      if shown.contains(where: { revealsPart2($0, facts) })
        || (masked.effect == .deny
          && masked.records.contains { part2Papers.contains($0.record.id) })
      {
        return "\(shown) \(masked.records) to \(question.request)"
      }
    }
    return nil
  }

  private static func revealsPart2(_ reason: Reason, _ facts: Facts) -> Bool {
    switch reason {
    case .part2Internal, .part2ConsentRequired, .part2MedicalEmergency: true
    case .restrictionAgreed: facts.organizationHoldsPart2
    default: false
    }
  }
}

extension RegisterGenerator {
  /// An authorization without fault, so that what must not open has something to open.
  mutating func addSurePermit() {
    var paper = instrument(kind: .authorization)
    paper.signer = Signer(capacity: .individual)
    paper.signed = SignedTime(day: paper.receivedDay)
    paper.isSigned = true
    paper.defects = []
    paper.compoundParts = []
    paper.conditionedParts = []
    paper.grants = [
      Grant(
        id: id(), effect: .permit, scope: .patient, uses: .all, audiences: .all,
        recipients: SmallWorld.parties.dropLast(), effectiveFrom: paper.received,
        expiry: .date(SmallWorld.day(400), until: SmallWorld.midnight(401)))
    ]
    append(.instrument(paper))
  }

  /// The individual revokes, in writing, every permit line there is.
  mutating func revocationOfEverything() -> Revocation {
    let permits = register.grants.filter { $0.grant.effect == .permit }.map(\.grant.id)
    let stamp = stamp()
    return Revocation(
      id: id(), patient: patients[0], grants: permits, method: .written,
      signer: Signer(capacity: .individual),
      signed: SignedTime(day: SmallWorld.day(SmallWorld.dayIndex(of: stamp.recorded))),
      received: stamp.recorded, stamp: stamp)
  }
}
