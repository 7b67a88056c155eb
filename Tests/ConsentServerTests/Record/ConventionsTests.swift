import ConsentCore
import ConsentProto
import ConsentStore
import Foundation
import RPCServer
import SwiftProtobuf
import Testing

@testable import ConsentServer

@Suite struct ConventionsTests {
  func register(
    _ mrn: String, key: String
  ) -> Consent_V1_RegisterPatientRequest {
    var request = Consent_V1_RegisterPatientRequest()
    request.fields = RecordDesk.fields(mrn)
    request.idempotencyKey = key
    return request
  }

  @Test func theSameKeyAndContentIsAnsweredAsTheFirstTime() async throws {
    let desk = try await RecordDesk()
    let request = register("P-1", key: "k")
    let first = try await ConsentService.registerPatient(desk.service, request, by: desk.caller)
    try await desk.patient("P-2")
    let again = try await ConsentService.registerPatient(desk.service, request, by: desk.caller)
    #expect(first == again)
    #expect(try await desk.head() == 2)
  }

  @Test func theSameKeyWithOtherContentOrMethodIsRefused() async throws {
    let desk = try await RecordDesk()
    _ = try await ConsentService.registerPatient(
      desk.service, register("P-1", key: "k"), by: desk.caller)
    try await expectRefused(desk) {
      try await ConsentService.registerPatient(
        desk.service, register("P-2", key: "k"), by: desk.caller)
    }
    var other = Consent_V1_DeclareExpiryEventRequest()
    other.name = "event"
    other.idempotencyKey = "k"
    let declared = other
    try await expectRefused(desk) {
      try await ConsentService.declareExpiryEvent(desk.service, declared, by: desk.caller)
    }
  }

  @Test func aKeyIsTheCallersOwn() async throws {
    let desk = try await RecordDesk()
    _ = try await ConsentService.registerPatient(
      desk.service, register("P-1", key: "k"), by: desk.caller)
    var other = desk.caller
    other.name = "backoffice"
    _ = try await ConsentService.registerPatient(desk.service, register("P-2", key: "k"), by: other)
    #expect(try await desk.head() == 2)
  }

  @Test func theMemberOfStaffIsKeptWithTheCaller() async throws {
    let desk = try await RecordDesk()
    var request = register("P-1", key: "k")
    request.recordedBy = RecordDesk.identifier("jd", system: "urn:staff")
    let id = try await ConsentService.registerPatient(desk.service, request, by: desk.caller)
      .patient.patientID
    var asked = Consent_V1_GetPatientHistoryRequest()
    asked.patient.patientID = id
    let history = try await ConsentService.getPatientHistory(
      desk.service, asked, by: desk.caller
    ).response
    #expect(history.entries[0].recordedBy == request.recordedBy)
    let by = try await desk.store.read(RecordDesk.organization) { reader in
      try reader.feed(after: 0, limit: 1).map(\.by)
    }
    #expect(by == ["urn:staff|jd via frontdesk"])
  }

  @Test func aPositionNotReachedOrOfAnotherHistoryIsUnavailable() async throws {
    let desk = try await RecordDesk()
    let id = try await desk.patient()
    var request = register("P-2", key: "k")
    request.minPosition.position = 99
    let ahead = request
    try await expectRefused(desk) {
      try await ConsentService.registerPatient(desk.service, ahead, by: desk.caller)
    }
    request.minPosition.position = 1
    request.minPosition.chain = Data(repeating: 1, count: 32)
    let other = request
    try await expectRefused(desk) {
      try await ConsentService.registerPatient(desk.service, other, by: desk.caller)
    }
    var find = Consent_V1_FindPatientsRequest()
    find.patientID = id
    find.minPosition.position = 1
    let found = try await ConsentService.findPatients(desk.service, find, by: desk.caller).response
    #expect(found.position.position == 1 && found.position.chain.count == 32)
  }

  @Test func anotherOrganizationSeesNothing() async throws {
    let desk = try await RecordDesk()
    let settings = OrganizationSettings(
      id: OrganizationID(high: 7, low: 2), name: "Other", timeZone: "Europe/Berlin")
    try await desk.store.createOrganization(settings)
    let service = ConsentService(
      store: desk.store, clock: desk.clock, calendars: try Calendars([settings]),
      watch: desk.service.watch, changed: { _ in }, logger: desk.service.logger)
    let stranger = Principal(
      name: "stranger", organization: settings.id, roles: Set(Role.allCases))
    let id = try await desk.patient()
    try await desk.image("1.2.3.4", of: id)
    var image = Consent_V1_GetImageRequest()
    image.image = RecordDesk.key("1.2.3.4")
    let asked = image
    try await expectRefused(desk) {
      try await ConsentService.getImage(service, asked, by: stranger).response
    }
    var find = Consent_V1_FindPatientsRequest()
    find.patientID = id
    let found = try await ConsentService.findPatients(service, find, by: stranger).response
    #expect(found.patients.isEmpty)
  }

  @Test func everyMethodOfTheServiceIsServed() async throws {
    let desk = try await RecordDesk()
    let paths = desk.service.recordMethods.map(\.info.name)
    #expect(paths.count == 30 && Set(paths).count == 30)
    for path in desk.service.recordMethods.map(\.info.path) {
      #expect(MethodAccess.roles[path] != nil, "\(path) is open to nobody")
    }
  }
}
