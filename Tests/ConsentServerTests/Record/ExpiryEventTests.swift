import ConsentCore
import ConsentProto
import ConsentStore
import SwiftProtobuf
import Testing

@testable import ConsentServer

@Suite struct ExpiryEventTests {
  func declare(
    _ desk: RecordDesk, _ change: (inout Consent_V1_DeclareExpiryEventRequest) -> Void = { _ in }
  ) async throws -> Consent_V1_ExpiryEvent {
    var request = Consent_V1_DeclareExpiryEventRequest()
    request.name = "end of the residency"
    request.idempotencyKey = RecordDesk.newKey()
    change(&request)
    return try await ConsentService.declareExpiryEvent(desk.service, request, by: desk.caller)
      .expiryEvent
  }

  func resolve(
    _ desk: RecordDesk, _ event: String, on day: String
  ) async throws -> Consent_V1_ResolveExpiryEventResponse {
    var request = Consent_V1_ResolveExpiryEventRequest()
    request.expiryEventID = event
    request.occurred.localDay = RecordDesk.day(day)
    request.idempotencyKey = RecordDesk.newKey()
    return try await ConsentService.resolveExpiryEvent(desk.service, request, by: desk.caller)
  }

  @Test func aGrantEndsWhenItsEventIsRecordedAndTheUsesInBetweenAreCounted() async throws {
    let desk = try await RecordDesk(at: "2026-03-10T15:00:00Z")
    let one = try await desk.patient("P-1")
    let two = try await desk.patient("P-2")
    try await desk.image("1.2.3.4", of: one)
    let event = try await declare(desk) { $0.expectedOn = RecordDesk.day("2026-07-01") }
    #expect(event.expectedOn == RecordDesk.day("2026-07-01"))
    let line = RecordDesk.terms { $0.expiry.expiryEventID = event.expiryEventID }
    let first = try await desk.record(one, RecordDesk.paper([line])).instrument.grants[0].grantID
    let second = try await desk.record(two, RecordDesk.paper([line])).instrument.grants[0].grantID
    try await desk.check("1.2.3.4")
    desk.clock.set("2026-07-03T15:00:00Z")
    #expect(try await desk.check("1.2.3.4").effect == .permit)
    desk.clock.set("2026-07-06T15:00:00Z")
    let answer = try await resolve(desk, event.expiryEventID, on: "2026-06-30")
    #expect(Set(answer.endedGrantIds) == [first, second])
    #expect(answer.usesInBetweenCount == 1)
    #expect(answer.expiryEvent.occurred.localDay == RecordDesk.day("2026-06-30"))
    #expect(try await desk.check("1.2.3.4").reason == .authExpiredEvent)
    try await expectRefused(desk) {
      try await resolve(desk, event.expiryEventID, on: "2026-06-30")
    }
  }

  @Test func anEventOfAPatientIsThePatients() async throws {
    let desk = try await RecordDesk()
    let id = try await desk.patient("P-1")
    let event = try await declare(desk) { $0.patient.identifier = RecordDesk.identifier("P-1") }
    #expect(event.patientID == id)
    let line = RecordDesk.terms { $0.expiry.expiryEventID = event.expiryEventID }
    let grant = try await desk.record(id, RecordDesk.paper([line])).instrument.grants[0].grantID
    let answer = try await resolve(desk, event.expiryEventID, on: "2026-03-10")
    #expect(answer.endedGrantIds == [grant])
  }

  @Test func badInputIsRefusedByField() async throws {
    let desk = try await RecordDesk()
    try await expectRefused(desk, naming: "name") { try await declare(desk) { $0.name = "" } }
    try await expectRefused(desk, naming: "expected_on") {
      try await declare(desk) { $0.expectedOn = RecordDesk.day("2026-13-01") }
    }
    try await expectRefused(desk, naming: "patient.patient_id") {
      try await declare(desk) { $0.patient.patientID = "x" }
    }
    try await expectRefused(desk) {
      try await declare(desk) { $0.patient.patientID = PatientID.random().description }
    }
    let event = try await declare(desk)
    try await expectRefused(desk, naming: "occurred") {
      try await resolve(desk, event.expiryEventID, on: "2026-03-11")
    }
    try await expectRefused(desk) {
      try await resolve(desk, RecordID.random().description, on: "2026-03-01")
    }
    try await expectRefused(desk, naming: "expiry_event_id") {
      try await resolve(desk, "", on: "2026-03-01")
    }
  }

  @Test func anOccurrenceEnteredInErrorBringsTheGrantsOfEveryPatientBack() async throws {
    let desk = try await RecordDesk()
    let id = try await desk.patient()
    try await desk.image("1.2.3.4", of: id)
    let event = try await declare(desk)
    let line = RecordDesk.terms { $0.expiry.expiryEventID = event.expiryEventID }
    let grant = try await desk.record(id, RecordDesk.paper([line])).instrument.grants[0].grantID
    _ = try await resolve(desk, event.expiryEventID, on: "2026-03-05")
    let resolution = try await desk.store.read(RecordDesk.organization) { reader in
      try reader.organizationFacts(asOf: nil).expiryEventResolutions[0].id
    }
    desk.clock.set("2026-03-11T15:00:00Z")
    var request = Consent_V1_EnterInErrorRequest()
    request.record.kind = .expiryEventResolution
    request.record.id = resolution.description
    request.note = "it has not occurred"
    request.idempotencyKey = "e"
    let answer = try await ConsentService.enterInError(desk.service, request, by: desk.caller)
    #expect(answer.reinstatedGrantIds == [grant])
    #expect(try await desk.check("1.2.3.4").effect == .permit)
  }
}
