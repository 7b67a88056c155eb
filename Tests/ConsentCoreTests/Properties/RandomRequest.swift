import ConsentCore

/// A question to a random register, with who asks and when.
struct RandomQuestion {
  var request: CheckRequest
  var caller: CallerLimits
  var at: Instant
}

extension SplitMix64 {
  mutating func question(about register: RandomRegister) -> RandomQuestion {
    RandomQuestion(
      request: request(about: register), caller: callerLimits(), at: instant(for: register))
  }

  mutating func request(about register: RandomRegister) -> CheckRequest {
    var image = ImageKey.sopInstance("1.2.999")
    if !chance(2), let known = register.imageKeys.randomElement(using: &self) { image = known }
    let audience = one(of: Audience.allCases)
    var request = CheckRequest(
      image: image,
      use: one(of: [.diagnosis, .consultation, .education, .education, .education]),
      audience: audience, channel: channel(), actor: actor(),
      recipient: audience.needsRecipient || chance(10) ? recipient() : nil)
    if chance(3) { request.use = .research }
    if chance(20) { request.patient = patient(of: image, in: register) }
    if chance(15) {
      request.emergency = EmergencyAttestation(
        attester: SmallWorld.teacher, reason: "bleeding", attested: SmallWorld.ticks[0])
    }
    if chance(4) { leaveOut(from: &request) }
    return request
  }

  /// Mostly whose image it is, as first registered; else anybody.
  private mutating func patient(of key: ImageKey, in register: RandomRegister) -> PatientID? {
    if chance(70) {
      for case .image(let image) in register.records where image.key == key {
        return image.patient
      }
    }
    let patients = register.records.compactMap { record -> PatientID? in
      if case .patient(let r) = record { r.id } else { nil }
    }
    return patients.randomElement(using: &self)
  }

  private mutating func leaveOut(from request: inout CheckRequest) {
    if chance(30) { request.use = nil }
    if chance(30) { request.audience = nil }
    if chance(30) { request.channel = nil }
    if chance(30) { request.actor = nil }
    if chance(30) { request.recipient = nil }
  }

  private mutating func channel() -> Channel {
    let usual: [Channel] = [.ehr, .pacsViewer, .presentation, .publication, .print]
    return chance(75) ? one(of: usual) : one(of: Channel.allCases)
  }

  private mutating func actor() -> Actor {
    Actor(
      user: chance(50) ? SmallWorld.teacher : SmallWorld.surgeon,
      role: chance(65) ? .clinician : one(of: RoleClass.allCases),
      relationship: chance(80) ? .careTeam : .noneStated,
      memberOf: some(
        of: [SmallWorld.hospital, SmallWorld.residents, SmallWorld.unit, SmallWorld.otherUnit],
        percent: 35))
  }

  private mutating func recipient() -> Party {
    var party = one(of: SmallWorld.parties)
    if party.kind == .person {
      party.memberOf = some(
        of: [SmallWorld.hospital, SmallWorld.residents, SmallWorld.vendor], percent: 30)
    }
    return party
  }

  private mutating func callerLimits() -> CallerLimits {
    var caller = CallerLimits(seesPart2: chance(60))
    if chance(4) { caller.uses = [.diagnosis, .consultation] }
    if chance(4) { caller.audiences.remove(.external) }
    if chance(4) { caller.channels = [.ehr] }
    return caller
  }

  /// Mostly now or later, as a check asks; sometimes an instant before the last recording, as an
  /// explanation asks. On a boundary or a microsecond beside it.
  mutating func instant(for register: RandomRegister) -> Instant {
    let tick = one(of: SmallWorld.ticks).adding(microseconds: Int64(number(-1...1)))
    if chance(70) { return max(register.lastRecorded, tick) }
    return tick
  }
}
