import ConsentCore

/// Papers and their lines.
extension RegisterGenerator {
  mutating func addInstrument() {
    let kinds: [InstrumentKind] = [
      .authorization, .authorization, .authorization, .authorization, .consent, .consent,
      .consent, .refusal, .refusal, .restrictionRequest, .restrictionAgreed, .part2Consent,
    ]
    append(.instrument(instrument(kind: random.one(of: kinds))))
  }

  mutating func instrument(kind: InstrumentKind) -> Instrument {
    let signer = signer()
    let stamp = stamp()
    let today = SmallWorld.dayIndex(of: stamp.recorded)
    let signedDay = max(0, today - random.number(0...3))
    var signed: SignedTime? = SignedTime(day: SmallWorld.day(signedDay))
    if random.chance(25) {
      let instant = SmallWorld.midnight(signedDay)
        .adding(microseconds: Int64(random.number(0...2)) * 6 * .microsecondsPerHour)
      signed?.instant = min(instant, stamp.recorded)
    }
    var instrument = Instrument(
      id: id(), patient: random.one(of: patients), kind: kind,
      statements: Statements(rightToRevoke: true, conditioning: true, redisclosure: true),
      informationDescription: "images", signer: signer, signed: signed,
      receivedDay: SmallWorld.day(today), received: stamp.recorded, stamp: stamp)
    for _ in 0..<random.one(of: [1, 1, 1, 2, 2, 3]) {
      instrument.grants.append(grant(kind: kind, signedDay: signedDay))
    }
    if kind.strength != .none, random.chance(18) { spoil(&instrument) }
    return instrument
  }

  /// Defects as they are found at recording, with the fields that show them.
  private mutating func spoil(_ instrument: inout Instrument) {
    let part: UInt8? = random.chance(60) ? nil : UInt8(random.number(1...2))
    switch random.number(0...(instrument.kind == .authorization ? 8 : 1)) {
    case 0:
      instrument.isSigned = false
      instrument.defects.append(Defect(.signature))
    case 1:
      instrument.signed = nil
      instrument.defects.append(Defect(.signatureDate))
    case 2:
      instrument.statements.redisclosure = false
      instrument.defects.append(Defect(.redisclosure))
    case 3:
      instrument.informationDescription = ""
      instrument.defects.append(Defect(.informationDescription))
    case 4, 7:
      instrument.compoundParts = [part ?? 1]
      instrument.defects.append(Defect(.compound, part: part ?? 1))
    case 5, 8:
      instrument.conditionedParts = [part ?? 1]
      instrument.defects.append(Defect(.conditioned, part: part ?? 1))
      if random.chance(30) { instrument.defects.append(Defect(.redisclosure, part: part)) }
    default:
      instrument.signer = Signer(
        capacity: .financialPowerOfAttorney, identity: SmallWorld.identifier("daughter"))
      instrument.defects.append(Defect(.representativeAuthority))
    }
  }

  mutating func signer() -> Signer {
    if random.chance(60) { return Signer(capacity: .individual) }
    let capacities: [SignerCapacity] = [
      .minorConsenting, .parent, .parent, .guardian, .healthCareAgent,
    ]
    let capacity = random.one(of: capacities)
    return Signer(
      capacity: capacity,
      identity: random.chance(80)
        ? SmallWorld.identifier(random.chance(70) ? "mother" : "uncle") : nil,
      authorityDescription: capacity.isIndividual ? "" : "stated", verifiedBy: "clerk")
  }

  mutating func grant(kind: InstrumentKind, signedDay: Int) -> Grant {
    let effect: GrantEffect =
      switch kind {
      case .authorization: random.chance(85) ? .permit : .deny
      case .consent: random.chance(85) ? .permit : .deny
      case .part2Consent: .permit
      case .refusal, .restrictionRequest, .restrictionAgreed: .deny
      }
    let start = max(
      SmallWorld.midnight(signedDay),
      random.chance(75) ? .distantPast : random.one(of: SmallWorld.ticks))
    return Grant(
      id: id(), part: UInt8(random.number(1...2)), effect: effect, scope: scope(),
      presentOnly: random.chance(25), uses: uses(kind), audiences: audiences(),
      recipients: random.chance(45) ? recipients() : SmallWorld.parties.dropLast(),
      disclosers: random.chance(8) ? [random.one(of: SmallWorld.parties)] : [],
      channels: random.chance(10)
        ? [.publication, .ehr, .presentation, .socialMedia] : nil,
      effectiveFrom: start, expiry: expiry())
  }

  private mutating func scope() -> Scope {
    guard let image = images.randomElement(using: &random) else { return .patient }
    switch random.number(0...9) {
    case 0..<4: return .image(image.key)
    case 4: return image.seriesUID.map { .series(uid: $0) } ?? .patient
    case 5, 6: return image.studyUID.map { .study(uid: $0) } ?? .patient
    default: return .patient
    }
  }

  private mutating func uses(_ kind: InstrumentKind) -> ClosedSet<Use> {
    if random.chance(35) { return .all }
    if random.chance(60) { return [.education] }
    return ClosedSet(random.some(of: Use.allCases, percent: 60) + [.diagnosis])
  }

  private mutating func audiences() -> ClosedSet<Audience> {
    if random.chance(50) { return .all }
    return ClosedSet(
      random.some(of: Audience.allCases, percent: 50) + [random.one(of: Audience.allCases)])
  }

  private mutating func recipients() -> [Party] {
    random.some(of: SmallWorld.parties, percent: 35)
  }

  private mutating func expiry() -> Expiry {
    switch random.number(0...9) {
    case 0..<6:
      let last = random.number(1...SmallWorld.dayCount)
      return .date(SmallWorld.day(last), until: SmallWorld.midnight(last + 1))
    case 6, 7:
      guard let event = events.randomElement(using: &random) else { return .majority }
      return .event(event.id)
    case 8: return .majority
    default:
      return .date(SmallWorld.day(400), until: SmallWorld.midnight(401))
    }
  }
}
