import ConsentCore
import ConsentStore

/// A register with whatever can be recorded, in any order that the store takes.
struct RandomClinic {
  var clinic: TestClinic
  private var random: SeededGenerator
  private var number: UInt64 = 0
  private let patients: UInt64 = 3
  private let images: UInt64 = 6

  /// Everybody a record may name.
  static let named = [
    Identifier(system: "issn", value: "1"), Identifier(system: "npi", value: "2"),
  ]
  static let unit = Identifier(system: "units", value: "sud")

  init(seed: UInt64, records: Int) async throws {
    clinic = try await TestClinic()
    random = SeededGenerator(seed: seed)
    for patient in 1...patients {
      let majority = Bool.random(using: &random) ? instant() : nil
      try await clinic.addPatient(patient, majority: majority)
    }
    for image in 1...images { try await addImage(image, version: 1) }
    for event: UInt64 in 1...2 {
      try await clinic.record(
        .expiryEvent(
          ExpiryEvent(
            id: TestClinic.event(event), patient: nil, definition: "test", expectedBy: nil)))
    }
    for _ in 0..<records {
      try await addAnything()
      if Int.random(in: 0..<4, using: &random) == 0 {
        clinic.clock.set(
          clinic.clock.now().adding(
            microseconds: .random(in: 0...30, using: &random) * .microsecondsPerHour))
      }
    }
  }

  private mutating func instant() -> Instant {
    TestClinic.hours(.random(in: -300...300, using: &random))
  }

  private mutating func addImage(_ image: UInt64, version: Int) async throws {
    var sources: [ImageKey] = []
    if image > 4 { sources = [TestClinic.image(.random(in: 1..<image, using: &random))] }
    let patient = UInt64.random(in: 1...patients, using: &random)
    let isPart2 = Int.random(in: 0..<6, using: &random) == 0
    let study = "1.9.\(UInt64.random(in: 1...3, using: &random))"
    let day = Bool.random(using: &random) ? LocalDay(daysSince1970: 20_400) : nil
    try await clinic.addImage(image, of: patient, version: version, study: study, sources: sources)
    {
      $0.site = "site \(image % 3)"
      $0.acquiredDay = day
      if isPart2 { $0.part2 = Part2Mark(programUnit: RandomClinic.unit) }
    }
  }

  private mutating func addAnything() async throws {
    number += 1
    switch Int.random(in: 0..<14, using: &random) {
    case 0..<7: try await addPaper()
    case 7 where number > 1:
      let grant = UInt64.random(in: 1..<number, using: &random)
      guard try await isRecorded(grant) else { return }
      try await clinic.record(
        .revocation(
          Revocation(
            id: ID(high: 80, low: number), patient: TestClinic.patient(1),
            grants: [TestClinic.grant(grant)], method: .written,
            signer: Signer(capacity: .individual), signed: SignedTime(day: TestClinic.today),
            received: clinic.clock.now())))
    case 8 where number > 1:
      let paper = UInt64.random(in: 1..<number, using: &random)
      guard try await isRecorded(paper) else { return }
      try await clinic.enterInError(
        .instrument, TestClinic.paper(paper).retyped(), number: number)
    case 9: try await addDetermination()
    case 10: try await addImage(.random(in: 1...4, using: &random), version: Int(number) + 1)
    case 11:
      let pair = [UInt64](1...patients).shuffled(using: &random)
      try await clinic.record(
        .merge(
          PatientMerge(
            id: ID(high: 90, low: number), survivor: TestClinic.patient(pair[0]),
            merged: TestClinic.patient(pair[1]))))
    case 12: try await addPolicy()
    default:
      try await clinic.record(
        .expiryEventResolution(
          ExpiryEventResolution(
            id: ID(high: 31, low: number),
            event: TestClinic.event(.random(in: 1...2, using: &random)),
            occurred: clinic.clock.now())))
    }
  }

  private func isRecorded(_ grant: UInt64) async throws -> Bool {
    try await clinic.store.read(clinic.organization) {
      try $0.patient(ofGrant: TestClinic.grant(grant)) != nil
    }
  }

  private mutating func addPaper() async throws {
    let kind = InstrumentKind.allCases.randomElement(using: &random) ?? .authorization
    let isDeny =
      kind == .refusal || kind == .restrictionAgreed || kind == .restrictionRequest
      || Int.random(in: 0..<6, using: &random) == 0
    let scopes: [Scope] = [
      .patient, .study(uid: "1.9.1"), .study(uid: "1.9.2"),
      .image(TestClinic.image(.random(in: 1...images, using: &random))),
    ]
    let recipients = RandomClinic.named.filter { _ in Bool.random(using: &random) }
      .map { Party(kind: .organization, identifier: $0) }
    let expiries: [Expiry] = [
      .date(TestClinic.today, until: instant()), .majority, .event(TestClinic.event(1)), .none,
    ]
    let expiry = expiries.randomElement(using: &random) ?? .none
    let from = Bool.random(using: &random) ? Instant.distantPast : instant()
    let channels: ClosedSet<Channel>? =
      Int.random(in: 0..<4, using: &random) == 0 ? [.print, .publication] : nil
    let isDefective = Int.random(in: 0..<5, using: &random) == 0
    let capacity: SignerCapacity = Bool.random(using: &random) ? .individual : .parent
    let isPresentOnly = Bool.random(using: &random)
    let signedDay = LocalDay(daysSince1970: .random(in: 20_600...20_614, using: &random))
    let uses = ClosedSet(Use.allCases.filter { _ in Bool.random(using: &random) })
    let audiences = ClosedSet(Audience.allCases.filter { _ in Bool.random(using: &random) })
    try await clinic.addPaper(
      number, of: .random(in: 1...patients, using: &random), kind: kind,
      effect: isDeny ? .deny : .permit, scope: scopes.randomElement(using: &random) ?? .patient,
      uses: uses, audiences: audiences, recipients: recipients
    ) { paper in
      paper.grants[0].expiry = expiry
      paper.grants[0].effectiveFrom = from
      paper.grants[0].channels = channels
      paper.grants[0].presentOnly = isPresentOnly
      paper.signer = Signer(capacity: capacity, authorityDescription: "parent")
      paper.signed = SignedTime(day: signedDay)
      if isDefective { paper.defects = [Defect(.expiry, part: 1)] }
    }
  }

  private mutating func addDetermination() async throws {
    let findings = (0..<3).map { _ in Int.random(in: 0..<4, using: &random) > 0 }
    try await clinic.record(
      .determination(
        Determination(
          id: ID(high: 32, low: number),
          image: TestClinic.image(.random(in: 1...images, using: &random)), method: .safeHarbor,
          by: "expert", determined: clinic.clock.now(),
          until: Bool.random(using: &random) ? instant() : nil, identityRemoved: findings[0],
          noBurnedInText: findings[1], noRecognizableFeatures: findings[2])))
  }

  private mutating func addPolicy() async throws {
    var policy = Policy(
      recordID: RecordID(high: 33, low: number), version: Int(number),
      effective: clinic.clock.now())
    policy.educationOwnWorkforceAsOperations = Bool.random(using: &random)
    policy.treatmentNeedsConsent = Bool.random(using: &random)
    policy.majorityReview = Bool.random(using: &random)
    if Bool.random(using: &random) { policy.businessAssociates = [RandomClinic.named[1]] }
    policy.clockAllowanceMicroseconds = Bool.random(using: &random) ? 0 : .microsecondsPerHour
    try await clinic.record(.policy(policy))
  }
}
