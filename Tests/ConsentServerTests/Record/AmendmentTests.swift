import ConsentCore
import ConsentProto
import SwiftProtobuf
import Testing

@testable import ConsentServer

@Suite struct AmendmentTests {
  static var restriction: Consent_V1_InstrumentFields {
    let line = RecordDesk.terms {
      $0.effect = .deny
      $0.uses = [.diagnosis]
      $0.audiences = [.ownWorkforce]
      $0.recipients = []
    }
    return RecordDesk.paper([line]) { $0.kind = .restrictionAgreed }
  }

  @Test func anAgreedRestrictionEndsOnce() async throws {
    let desk = try await RecordDesk()
    let id = try await desk.patient()
    let paper = try await desk.record(id, AmendmentTests.restriction).instrument
    var request = Consent_V1_EndRestrictionRequest()
    request.instrumentID = paper.instrumentID
    request.method = .inWriting
    request.note = "asked to end it"
    request.idempotencyKey = "e1"
    let answer = try await ConsentService.endRestriction(desk.service, request, by: desk.caller)
    #expect(answer.instrument.grants.map(\.state) == [.restrictionEnded])
    #expect(answer.instrument.related.map(\.kind) == [.restrictionEnd])
    #expect(try await desk.events().last == .restrictionEnded)
    request.idempotencyKey = "e2"
    let again = request
    try await expectRefused(desk) {
      try await ConsentService.endRestriction(desk.service, again, by: desk.caller)
    }
    let other = try await desk.record(id).instrument
    request.instrumentID = other.instrumentID
    let noRestriction = request
    try await expectRefused(desk, naming: "instrument_id") {
      try await ConsentService.endRestriction(desk.service, noRestriction, by: desk.caller)
    }
    request.method = .unspecified
    let noMethod = request
    try await expectRefused(desk, naming: "method") {
      try await ConsentService.endRestriction(desk.service, noMethod, by: desk.caller)
    }
  }

  @Test func falseInformationEndsAPaper() async throws {
    let desk = try await RecordDesk()
    let id = try await desk.patient()
    try await desk.image("1.2.3.4", of: id)
    let paper = try await desk.record(id).instrument
    var request = Consent_V1_ReportFalseInformationRequest()
    request.instrumentID = paper.instrumentID
    request.note = "the signature is not the patient's"
    request.idempotencyKey = "f"
    let answer = try await ConsentService.reportFalseInformation(
      desk.service, request, by: desk.caller)
    #expect(answer.instrument.grants.map(\.state) == [.falsified])
    #expect(try await desk.check("1.2.3.4").reason == .authFalseInfo)
    request.note = ""
    request.idempotencyKey = "g"
    let blank = request
    try await expectRefused(desk, naming: "note") {
      try await ConsentService.reportFalseInformation(desk.service, blank, by: desk.caller)
    }
  }

  @Test func evidenceShowsThatASignerHadNoAuthority() async throws {
    let desk = try await RecordDesk()
    let id = try await desk.patient()
    try await desk.image("1.2.3.4", of: id)
    let paper = try await desk.record(
      id,
      RecordDesk.paper {
        $0.signer.capacity = .healthCareAgent
        $0.signer.authorityDescription = "agent"
      }
    ).instrument
    #expect(try await desk.check("1.2.3.4").effect == .permit)
    var request = Consent_V1_RecordAuthorityEvidenceRequest()
    request.instrumentID = paper.instrumentID
    request.finding = .showsNoAuthority
    request.verifiedBy = "records office"
    request.note = "financial matters only"
    request.idempotencyKey = "a"
    let answer = try await ConsentService.recordAuthorityEvidence(
      desk.service, request, by: desk.caller)
    #expect(answer.instrument.grants.map(\.state) == [.defective])
    #expect(try await desk.check("1.2.3.4").reason == .signerNoAuthority)
    request.finding = .unspecified
    request.verifiedBy = ""
    request.note = ""
    request.documentIds = ["d"]
    request.idempotencyKey = "b"
    let bad = request
    for field in ["finding", "verified_by", "note", "document_ids"] {
      try await expectRefused(desk, naming: field) {
        try await ConsentService.recordAuthorityEvidence(desk.service, bad, by: desk.caller)
      }
    }
  }

  func enter(
    _ desk: RecordDesk, _ kind: Consent_V1_RecordKind, _ id: String, version: UInt64 = 0,
    note: String = "wrong"
  ) async throws -> Consent_V1_EnterInErrorResponse {
    var request = Consent_V1_EnterInErrorRequest()
    request.record.kind = kind
    request.record.id = id
    request.record.version = version
    request.note = note
    request.idempotencyKey = RecordDesk.newKey()
    return try await ConsentService.enterInError(desk.service, request, by: desk.caller)
  }

  @Test func aPaperEnteredInErrorWasNeverValidAndItsAnswersAreCounted() async throws {
    let desk = try await RecordDesk()
    let id = try await desk.patient()
    try await desk.image("1.2.3.4", of: id)
    let paper = try await desk.record(id).instrument
    try await desk.check("1.2.3.4")
    try await desk.check("1.2.3.4")
    let answer = try await enter(desk, .instrument, paper.instrumentID)
    #expect(answer.affectedDecisionCount == 2 && answer.reinstatedGrantIds.isEmpty)
    #expect(try await desk.check("1.2.3.4").effect == .deny)
    let shown = try await desk.instrument(paper.instrumentID)
    #expect(shown.grants.map(\.state) == [.enteredInError])
    try await expectRefused(desk) { try await enter(desk, .instrument, paper.instrumentID) }
  }

  @Test func aRevocationEnteredInErrorReinstatesItsGrants() async throws {
    let desk = try await RecordDesk()
    let id = try await desk.patient()
    try await desk.image("1.2.3.4", of: id)
    let grant = try await desk.record(id).instrument.grants[0].grantID
    let revocation = try await desk.revoke(desk.revocation(id, [grant])).revocationID
    desk.clock.set("2026-03-11T15:00:00Z")
    let answer = try await enter(desk, .revocation, revocation)
    #expect(answer.reinstatedGrantIds == [grant])
    #expect(try await desk.check("1.2.3.4").effect == .permit)
    let shown = try await desk.revoke(desk.revocation(id, [grant]))
    #expect(shown.revokedGrantIds == [grant])
  }

  @Test func recordsOfEachKindAreNamedByTheirIds() async throws {
    let desk = try await RecordDesk()
    let id = try await desk.patient()
    try await desk.image("1.2.3.4", of: id)
    _ = try await enter(desk, .image, "dicom:1.2.3.4")
    var request = Consent_V1_GetImageRequest()
    request.image = RecordDesk.key("1.2.3.4")
    let gone = request
    try await expectRefused(desk) {
      try await ConsentService.getImage(desk.service, gone, by: desk.caller).response
    }
    _ = try await enter(desk, .patient, id)
    try await expectRefused(desk) { try await desk.record(id) }
  }

  @Test func whatCannotBeNamedIsRefused() async throws {
    let desk = try await RecordDesk()
    let unknown = RecordID.random().description
    try await expectRefused(desk) { try await enter(desk, .instrument, unknown) }
    try await expectRefused(desk) { try await enter(desk, .policy, "3") }
    try await expectRefused(desk) { try await enter(desk, .image, "dicom:1.2.3") }
    try await expectRefused(desk, naming: "record.id") { try await enter(desk, .image, unknown) }
    try await expectRefused(desk, naming: "record.kind") { try await enter(desk, .grant, unknown) }
    try await expectRefused(desk, naming: "note") {
      try await enter(desk, .instrument, unknown, note: "")
    }
  }
}
