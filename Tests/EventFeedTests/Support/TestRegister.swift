import ConsentCore
import ConsentStore

/// A small register to expire things in: one organization, patients with one image each.
struct TestRegister: Sendable {
  let store: MemoryConsentStore
  let organization: OrganizationID
  let clock: ManualClock

  init(
    clock: ManualClock, store: MemoryConsentStore? = nil,
    organization: OrganizationID = OrganizationID(high: 1, low: 1)
  ) async throws {
    self.clock = clock
    self.store = store ?? MemoryConsentStore(clock: clock)
    self.organization = organization
    try await self.store.createOrganization(
      OrganizationSettings(
        id: organization, name: "Test \(organization.low)", timeZone: "America/Chicago"))
  }

  static func patient(_ number: UInt64) -> PatientID { PatientID(high: 10, low: number) }
  static func grant(_ number: UInt64) -> GrantID { GrantID(high: 20, low: number) }
  static func event(_ number: UInt64) -> ID<ExpiryEvent> { ID(high: 30, low: number) }
  static func paper(_ number: UInt64) -> InstrumentID { ID(high: 40, low: number) }

  func append(_ build: @Sendable @escaping (any FactWriter) throws -> Change) async throws {
    _ = try await store.write(organization, by: "test", key: nil) { writer in
      try writer.append(try build(writer))
      return []
    }
  }

  func addPatient(_ number: UInt64, majority: Instant? = nil) async throws {
    let patient = TestRegister.patient(number)
    let record = PatientRecord(
      recordID: RecordID(high: 50, low: number), id: patient, version: 1, majority: majority,
      timeZoneDataVersion: "test")
    let image = ImageRecord(
      recordID: RecordID(high: 60, low: number), key: .sopInstance("1.2.\(number + 1)"),
      patient: patient, kind: .dicomInstance, studyUID: "1.9.\(number + 1)")
    try await append { writer in
      var change = Change()
      change.append(
        .patient(record),
        event: FeedEvent(
          kind: .patientRegistered, subject: "patient \(number)", patient: patient,
          occurred: writer.now))
      change.append(
        .image(image),
        event: FeedEvent(
          kind: .imageRegistered, subject: "image \(number)", patient: patient,
          images: [image.key], occurred: writer.now))
      return change
    }
  }

  /// One paper with one line: grant, paper and record carry the same number.
  func addGrant(
    _ number: UInt64, to patient: UInt64, expiry: Expiry, effect: GrantEffect = .permit,
    from: Instant = .distantPast
  ) async throws {
    let grant = Grant(
      id: TestRegister.grant(number), effect: effect, scope: .patient, uses: [.education],
      audiences: [.external], effectiveFrom: from, expiry: expiry)
    let paper = Instrument(
      id: TestRegister.paper(number), patient: TestRegister.patient(patient),
      kind: effect == .permit ? .authorization : .refusal,
      signer: Signer(capacity: .individual),
      signed: SignedTime(day: LocalDay(daysSince1970: 20_000)),
      receivedDay: LocalDay(daysSince1970: 20_000), received: clock.now(), grants: [grant])
    try await append { writer in
      var change = Change()
      change.append(
        .instrument(paper),
        event: FeedEvent(
          kind: .instrumentRecorded, subject: "paper \(number)", patient: paper.patient,
          grants: [grant.id], uses: grant.uses, occurred: writer.now))
      return change
    }
  }

  /// - Parameter patient: `nil` for an event of the whole organization.
  func addEvent(_ number: UInt64, of patient: UInt64?, expectedBy: Instant? = nil) async throws {
    let event = ExpiryEvent(
      id: TestRegister.event(number), patient: patient.map(TestRegister.patient),
      definition: "end of the residency", expectedBy: expectedBy)
    try await change { try $0.declareExpiryEvent(event) }
  }

  func resolve(_ number: UInt64, occurred: Instant) async throws {
    let resolution = ExpiryEventResolution(
      id: ID(high: 70, low: number), event: TestRegister.event(number), occurred: occurred)
    try await change { try $0.resolveExpiryEvent(resolution) }
  }

  func revoke(_ number: UInt64, of patient: UInt64) async throws {
    let day = LocalDay(daysSince1970: 20_001)
    let revocation = Revocation(
      id: ID(high: 80, low: number), patient: TestRegister.patient(patient),
      grants: [TestRegister.grant(number)], method: .written,
      signer: Signer(capacity: .individual), signed: SignedTime(day: day), received: clock.now())
    try await change { try $0.revoke(revocation).change }
  }

  func setPolicy(_ version: Int, _ edit: @Sendable @escaping (inout Policy) -> Void) async throws {
    try await change { builder in
      var policy = Policy(
        recordID: RecordID(high: 90, low: UInt64(version)), version: version,
        effective: builder.clock.now)
      edit(&policy)
      return try builder.setPolicy(policy)
    }
  }

  /// A change made as the service makes it, from the facts of every patient.
  func change(_ build: @Sendable @escaping (ChangeBuilder) throws -> Change) async throws {
    try await append { writer in
      let patients = try writer.patients(after: nil, limit: .max)
      var facts = try writer.facts(patients: patients, asOf: nil)
      let known = Set(facts.expiryEvents.map(\.id))
      facts.expiryEvents += try writer.organizationFacts(asOf: nil).expiryEvents
        .filter { !known.contains($0.id) }
      let today = LocalDay(
        daysSince1970: Int32(writer.now.microseconds / .microsecondsPerDay))
      return try build(
        ChangeBuilder(facts: facts, clock: CommandClock(now: writer.now, today: today)))
    }
  }

  func rows(_ kinds: EventKind...) async throws -> [FeedRow] {
    try await store.read(organization) { try $0.feed(after: 0, limit: .max) }
      .filter { kinds.contains($0.event.kind) }
  }

  func ends() async throws -> [GrantEnd] {
    try await store.read(organization) { reader in
      let patients = try reader.patients(after: nil, limit: .max)
      let grants = try reader.facts(patients: patients, asOf: nil).instruments
        .flatMap(\.grants).map(\.id)
      return try reader.grantEnds(of: grants)
    }
  }
}

extension Int64 {
  static let second: Int64 = 1_000_000
}
