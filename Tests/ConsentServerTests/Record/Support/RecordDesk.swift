import ConsentCore
import ConsentProto
import ConsentStore
import EventFeed
import Foundation
import Logging
import ProofLog
import SwiftProtobuf
import Synchronization
import Testing

@testable import ConsentServer

/// A clock that stands still until it is set.
final class DeskClock: WallClock {
  private let instant: Mutex<Instant>

  init(_ text: String) { instant = Mutex(Instant(text)) }

  func now() -> Instant { instant.withLock { $0 } }
  func set(_ text: String) { instant.withLock { $0 = Instant(text) } }
}

extension Instant {
  /// `2026-03-10T15:00:00Z`.
  init(_ text: String) {
    let date = try? Date(text, strategy: .iso8601)
    self.init(date ?? Date(timeIntervalSince1970: 0))
  }
}

extension Google_Protobuf_Timestamp {
  init(_ text: String) { self.init(Instant(text)) }
}

/// What the front desk does, as calls of the handlers over the store in memory.
struct RecordDesk {
  static let organization = OrganizationID(high: 7, low: 1)
  static let system = "urn:lakeside:mrn"

  let service: ConsentService
  let store: MemoryConsentStore
  let clock: DeskClock
  var caller: Principal

  init(at text: String = "2026-03-10T15:00:00Z", logSigner: LogSigner? = nil) async throws {
    clock = DeskClock(text)
    store = MemoryConsentStore(clock: clock, logSigner: logSigner)
    let settings = OrganizationSettings(
      id: RecordDesk.organization, name: "Lakeside", timeZone: "America/Chicago")
    try await store.createOrganization(settings)
    let source = StoreFeedSource(store: store)
    service = ConsentService(
      store: store, clock: clock, calendars: try Calendars([settings]),
      watch: WatchHub(source: source, clock: SystemFeedClock(wall: clock)), changed: { _ in },
      logger: Logger(label: "record-tests"))
    caller = Principal(
      name: "frontdesk", organization: RecordDesk.organization, roles: Set(Role.allCases))
  }

  /// What the store knows of a patient now.
  func facts(of patient: String) async throws -> Facts {
    try await store.read(RecordDesk.organization) { reader in
      try reader.facts(patients: PatientID(patient).map { [$0] } ?? [], asOf: nil)
    }
  }

  func head() async throws -> UInt64 {
    try await store.read(RecordDesk.organization) { $0.head.position }
  }

  /// Every kind of event after `position`, in order.
  func events(after position: UInt64 = 0) async throws -> [EventKind] {
    try await store.read(RecordDesk.organization) { reader in
      try reader.feed(after: position, limit: 10_000).map(\.event.kind)
    }
  }

  static func newKey() -> String { UUID().uuidString }

  // MARK: Patients

  @discardableResult
  func patient(
    _ mrn: String = "P-1001", born: String? = "1970-05-05", name: String = "Test Person"
  ) async throws -> String {
    var request = Consent_V1_RegisterPatientRequest()
    request.fields = RecordDesk.fields(mrn, born: born, name: name)
    request.idempotencyKey = RecordDesk.newKey()
    return try await ConsentService.registerPatient(service, request, by: caller).patient.patientID
  }

  static func fields(
    _ mrn: String, born: String? = nil, name: String = "Test Person"
  ) -> Consent_V1_PatientFields {
    var fields = Consent_V1_PatientFields()
    fields.identifiers = [identifier(mrn)]
    fields.displayName = name
    if let born { fields.birthDate = day(born) }
    return fields
  }

  static func identifier(_ value: String, system: String = system) -> Consent_V1_Identifier {
    var identifier = Consent_V1_Identifier()
    identifier.system = system
    identifier.value = value
    return identifier
  }

  static func day(_ text: String) -> Consent_V1_LocalDay {
    let parts = text.split(separator: "-").compactMap { Int32($0) }
    var day = Consent_V1_LocalDay()
    if parts.count == 3 { (day.year, day.month, day.day) = (parts[0], parts[1], parts[2]) }
    return day
  }

  // MARK: Images

  func register(
    _ items: [Consent_V1_ImageRegistration], patient: String?
  ) async throws -> [Consent_V1_ImageOutcome] {
    var request = Consent_V1_RegisterImagesRequest()
    if let patient { request.patient.patientID = patient }
    request.images = items
    request.idempotencyKey = RecordDesk.newKey()
    return try await ConsentService.registerImages(service, request, by: caller).outcomes
  }

  static func item(
    _ uid: String, study: String = "1.2.3", acquired: String? = "2025-11-03",
    _ change: (inout Consent_V1_ImageFields) -> Void = { _ in }
  ) -> Consent_V1_ImageRegistration {
    var item = Consent_V1_ImageRegistration()
    item.fields.key.sopInstanceUid = uid
    item.fields.kind = .dicomInstance
    item.fields.studyInstanceUid = study
    item.fields.seriesInstanceUid = study + ".1"
    item.fields.modality = "CR"
    if let acquired { item.fields.acquiredOn = day(acquired) }
    change(&item.fields)
    return item
  }

  static func dicom(_ json: String) -> Consent_V1_ImageRegistration {
    var item = Consent_V1_ImageRegistration()
    item.dicomJson = json
    return item
  }

  static func key(_ uid: String) -> Consent_V1_ImageKey {
    var key = Consent_V1_ImageKey()
    key.sopInstanceUid = uid
    return key
  }

  /// Registers one image and expects it to be.
  @discardableResult
  func image(
    _ uid: String, of patient: String, study: String = "1.2.3", acquired: String? = "2025-11-03",
    _ change: (inout Consent_V1_ImageFields) -> Void = { _ in }
  ) async throws -> String {
    let outcomes = try await register(
      [RecordDesk.item(uid, study: study, acquired: acquired, change)], patient: patient)
    try #require(outcomes.first?.outcome == .registered, "\(outcomes)")
    return uid
  }
}

/// Expects a refusal that names a field and changes nothing.
func expectRefused(
  _ desk: RecordDesk, naming field: String? = nil,
  sourceLocation: SourceLocation = #_sourceLocation, _ call: () async throws -> some Any
) async throws {
  let before = try await desk.head()
  do {
    _ = try await call()
    Issue.record("the call succeeded", sourceLocation: sourceLocation)
  } catch {
    let known = ServiceError(mapping: error)
    #expect(known != nil, "\(error)", sourceLocation: sourceLocation)
    if let field {
      guard case .invalidArgument(let fields, _)? = known else {
        Issue.record("not INVALID_ARGUMENT: \(error)", sourceLocation: sourceLocation)
        return
      }
      #expect(
        fields.contains { $0.field == field || $0.field.hasPrefix(field + ".") },
        "names \(fields.map(\.field))", sourceLocation: sourceLocation)
    }
  }
  let after = try await desk.head()
  #expect(before == after, "something was stored", sourceLocation: sourceLocation)
}
