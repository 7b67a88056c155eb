import ConsentCore

/// Writes random registers, record after record, each referring only to earlier ones.
struct RegisterGenerator {
  var random: SplitMix64
  var register = RandomRegister()
  var recorded = SmallWorld.ticks[0]
  var patients: [PatientID] = []
  var events: [ExpiryEvent] = []
  var merges: [PatientMerge] = []
  private var takenIDs: Set<UInt64> = []

  init(seed: UInt64) { random = SplitMix64(seed: seed) }

  static func register(seed: UInt64) -> RandomRegister {
    var generator = RegisterGenerator(seed: seed)
    return generator.makeRegister()
  }

  mutating func makeRegister() -> RandomRegister {
    if random.chance(40) { addPolicy() }
    for _ in 0..<random.one(of: [1, 1, 2, 2, 3, 4]) { addPatient() }
    for _ in 0..<random.number(1...4) { addImage() }
    for _ in 0..<random.number(0...2) { addExpiryEvent() }
    for _ in 0..<random.number(4...14) { addSomething() }
    return register
  }

  private mutating func addSomething() {
    switch random.number(0...99) {
    case 0..<46: addInstrument()
    case 46..<52: addImage()
    case 52..<55: correctImage()
    case 55..<65: addRevocation()
    case 65..<70: enterSomethingInError()
    case 70..<72: addFalseInformation()
    case 72..<75: addEvidence()
    case 75..<77: addRestrictionEnd()
    case 77..<81: addExpiryEventResolution()
    case 81..<86: addDetermination()
    case 86..<88: addDeterminationWithdrawal()
    case 88..<90: addPolicy()
    case 90..<92: addUnevaluable()
    case 92..<96: addMerge()
    case 96..<98: addUnmerge()
    default: correctPatient()
    }
  }

  // MARK: Stamps and ids

  /// The next position; `recorded` mostly stays, or moves by half a day.
  mutating func stamp() -> Stamp {
    if random.chance(35) {
      recorded = recorded.adding(microseconds: 12 * .microsecondsPerHour)
    } else if random.chance(4) {
      recorded = recorded.adding(microseconds: 1)
    }
    return Stamp(position: register.lastPosition + 1, recorded: recorded, by: "clerk")
  }

  /// Random, so that the order of ids says nothing about the order of records.
  mutating func id<Subject>() -> ID<Subject> {
    var low: UInt64
    repeat { low = UInt64(random.number(1...9_999)) } while !takenIDs.insert(low).inserted
    return ID(high: 7, low: low)
  }

  mutating func append(_ record: Record) { register.records.append(record) }

  // MARK: Patients

  mutating func addPatient() {
    let patient: PatientID = id()
    patients.append(patient)
    append(
      .patient(
        PatientRecord(
          recordID: id(), id: patient, version: 1, majority: majority(),
          timeZoneDataVersion: "none", stamp: stamp())))
  }

  mutating func correctPatient() {
    let patient = random.one(of: patients)
    let versions = register.records.filter { record in
      if case .patient(let r) = record { r.id == patient } else { false }
    }
    append(
      .patient(
        PatientRecord(
          recordID: id(), id: patient, version: versions.count + 1, majority: majority(),
          timeZoneDataVersion: "none", stamp: stamp())))
  }

  /// Long past for adults, within the week for some, unknown for a few.
  private mutating func majority() -> Instant? {
    if random.chance(6) { return nil }
    if random.chance(60) { return Instant(microseconds: 0) }
    return SmallWorld.midnight(random.number(1...SmallWorld.dayCount))
  }

  mutating func addMerge() {
    guard patients.count > 1 else { return addInstrument() }
    let pair = patients.shuffled(using: &random)
    let merge = PatientMerge(id: id(), survivor: pair[0], merged: pair[1], stamp: stamp())
    merges.append(merge)
    append(.merge(merge))
  }

  mutating func addUnmerge() {
    guard let merge = merges.randomElement(using: &random) else { return addInstrument() }
    let both: Set = [merge.survivor, merge.merged]
    let between = register.records.filter { record in
      guard record.stamp.position > merge.stamp.position else { return false }
      return switch record {
      case .instrument(let r): both.contains(r.patient)
      case .revocation(let r): both.contains(r.patient)
      case .image(let r): both.contains(r.patient)
      default: false
      }
    }
    let assigned = random.some(of: between, percent: 50).map {
      PatientUnmerge.Assignment(
        record: $0.id, patient: random.chance(50) ? merge.survivor : merge.merged)
    }
    append(
      .unmerge(
        PatientUnmerge(id: id(), merge: merge.id, assignments: assigned, stamp: stamp())))
  }

  // MARK: Policy

  mutating func addPolicy() {
    let versions = register.records.count { $0.kind == .policy }
    let stamp = stamp()
    var policy = Policy(
      recordID: id(), version: versions + 1,
      effective: max(stamp.recorded, random.one(of: SmallWorld.ticks)))
    policy.educationOwnWorkforceAsOperations = random.chance(25)
    policy.educationTraineesAsOperations = random.chance(25)
    policy.educationTreatingProviderAsOperations = random.chance(25)
    policy.treatmentNeedsConsent = random.chance(10)
    policy.majorityReview = random.chance(70)
    policy.oralRevocationBinds = random.chance(60)
    if random.chance(20) { policy.emergencyRoles = [.clinician, .technologist] }
    if random.chance(20) { policy.emergencyReviewHours = 24 }
    if random.chance(20) { policy.treatmentRoles = [.clinician] }
    if random.chance(20) { policy.operationsRoles = [.educator, .clinician] }
    if random.chance(20) { policy.treatmentChannels = [.ehr, .pacsViewer] }
    if random.chance(20) { policy.externalEducationChannels = [.publication] }
    if random.chance(10) { policy.internalEducationChannels.insert(.socialMedia) }
    if random.chance(20) { policy.operationsObligations = [.stripMetadata] }
    if random.chance(70) { policy.businessAssociates = [SmallWorld.vendor] }
    policy.personalEmailRequests = random.some(of: patients, percent: 30)
    policy.stamp = stamp
    append(.policy(policy))
  }
}
