import ConsentCore
import ConsentStore
import Reporting
import Synchronization

/// A wall clock that a test sets.
final class SetClock: WallClock {
  private let instant: Mutex<Instant>

  init(_ instant: Instant) { self.instant = Mutex(instant) }

  func now() -> Instant { instant.withLock { $0 } }
  func set(_ now: Instant) { instant.withLock { $0 = now } }
}

/// One organization to report on, with the shortest way to fill it.
struct TestClinic: Sendable {
  let clock: SetClock
  let store: MemoryConsentStore
  let organization = OrganizationID(high: 1, low: 1)

  /// 2026-06-10T00:00:00Z.
  static let start = Instant(microseconds: 1_781_049_600_000_000)
  static let today = LocalDay(daysSince1970: 20_614)

  static func hours(_ hours: Int64) -> Instant {
    start.adding(microseconds: hours * .microsecondsPerHour)
  }

  init() async throws {
    clock = SetClock(TestClinic.start)
    store = MemoryConsentStore(clock: clock)
    try await store.createOrganization(
      OrganizationSettings(id: organization, name: "Test", timeZone: "Etc/UTC"))
  }

  static func patient(_ number: UInt64) -> PatientID { PatientID(high: 10, low: number) }
  static func image(_ number: UInt64) -> ImageKey { .sopInstance("1.2.\(number)") }
  static func grant(_ number: UInt64) -> GrantID { GrantID(high: 20, low: number) }
  static func paper(_ number: UInt64) -> InstrumentID { ID(high: 40, low: number) }
  static func event(_ number: UInt64) -> ID<ExpiryEvent> { ID(high: 30, low: number) }

  /// Records one thing, with an event of its own.
  func record(_ record: Record, by caller: String = "clerk") async throws {
    _ = try await store.write(organization, by: caller, key: nil) { writer in
      var change = Change()
      change.append(
        record,
        event: FeedEvent(
          kind: .instrumentRecorded, subject: "\(record.kind) \(record.id)", patient: nil,
          occurred: writer.now))
      try writer.append(change)
      return []
    }
  }

  func addPatient(_ number: UInt64, majority: Instant? = nil) async throws {
    try await record(
      .patient(
        PatientRecord(
          recordID: RecordID(high: 50, low: number), id: TestClinic.patient(number), version: 1,
          majority: majority, timeZoneDataVersion: "test")))
  }

  func addImage(
    _ number: UInt64, of patient: UInt64, version: Int = 1, study: String? = nil,
    sources: [ImageKey] = [], edit: (inout ImageRecord) -> Void = { _ in }
  ) async throws {
    var image = ImageRecord(
      recordID: RecordID(high: 60, low: number * 100 + UInt64(version)),
      key: TestClinic.image(number), version: version, patient: TestClinic.patient(patient),
      kind: sources.isEmpty ? .dicomInstance : .derivative, studyUID: study,
      acquiredDay: LocalDay(daysSince1970: 20_400), sources: sources)
    edit(&image)
    try await record(.image(image))
  }

  /// A paper with one line; both carry the same number.
  func addPaper(
    _ number: UInt64, of patient: UInt64, kind: InstrumentKind = .authorization,
    effect: GrantEffect = .permit, scope: Scope = .patient, uses: ClosedSet<Use> = [.education],
    audiences: ClosedSet<Audience> = [.external], recipients: [Party] = [TestClinic.journal],
    until: Instant? = nil, by caller: String = "clerk",
    edit: (inout Instrument) -> Void = { _ in }
  ) async throws {
    let grant = Grant(
      id: TestClinic.grant(number), effect: effect, scope: scope, uses: uses,
      audiences: audiences, recipients: recipients, effectiveFrom: .distantPast,
      expiry: until.map { .date(TestClinic.today, until: $0) } ?? .none)
    var paper = Instrument(
      id: TestClinic.paper(number), patient: TestClinic.patient(patient), kind: kind,
      informationDescription: "all radiographs", signer: Signer(capacity: .individual),
      signed: SignedTime(day: LocalDay(daysSince1970: 20_610)),
      receivedDay: TestClinic.today, received: clock.now(), grants: [grant])
    edit(&paper)
    try await record(.instrument(paper), by: caller)
  }

  func revoke(_ number: UInt64, of patient: UInt64, received: Instant) async throws {
    try await record(
      .revocation(
        Revocation(
          id: ID(high: 80, low: number), patient: TestClinic.patient(patient),
          grants: [TestClinic.grant(number)], method: .written,
          signer: Signer(capacity: .individual), signed: SignedTime(day: TestClinic.today),
          received: received)))
  }

  func enterInError(_ kind: RecordKind, _ id: RecordID, number: UInt64) async throws {
    try await record(
      .enteredInError(
        EnteredInError(
          id: ID(high: 81, low: number), target: RecordReference(kind: kind, id: id), note: "")))
  }

  static let journal = Party(
    kind: .venue, identifier: Identifier(system: "issn", value: "1234"), name: "Journal")

  static func request(
    _ image: UInt64, use: Use = .education, audience: Audience = .external,
    channel: Channel = .publication, recipient: Party? = TestClinic.journal,
    role: RoleClass = .clinician, intent: Intent = .use
  ) -> CheckRequest {
    CheckRequest(
      image: TestClinic.image(image), use: use, audience: audience, channel: channel,
      actor: Actor(
        user: Identifier(system: "users", value: "u1"), role: role, relationship: .careTeam),
      recipient: audience.needsRecipient ? recipient : nil, intent: intent)
  }

  /// Decides and logs, as a Check does.
  @discardableResult
  func check(_ request: CheckRequest) async throws -> LoggedDecision {
    let logged = try await store.decide(organization) { reader in
      let facts = try reader.facts(images: [request.image], asOf: nil)
      let decision = decide(request, caller: CallerLimits(), facts: facts, at: reader.now)
      return [
        DecisionEntry(
          caller: "test", limits: CallerLimits(), request: request, decision: decision,
          patient: facts.images.last { $0.key == request.image }?.patient)
      ]
    }
    guard let first = logged.first else { throw StoreError.unavailable("nothing logged") }
    return first
  }

  var reports: Reports { Reports(store: store, organization: organization) }
}
