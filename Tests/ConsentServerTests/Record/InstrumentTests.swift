import ConsentCore
import ConsentProto
import Foundation
import SwiftProtobuf
import Testing

@testable import ConsentServer

@Suite struct InstrumentTests {
  @Test func aCompletePaperIsRecordedAndCoversItsImages() async throws {
    let desk = try await RecordDesk()
    let id = try await desk.patient()
    try await desk.image("1.2.3.4", of: id)
    let answer = try await desk.record(id)
    #expect(answer.defects.isEmpty && answer.blocked.isEmpty)
    #expect(answer.covered == [RecordDesk.key("1.2.3.4")] && answer.coveredCount == 1)
    #expect(answer.instrument.grants.map(\.state) == [.active])
    #expect(answer.instrument.workItems == [.giveCopy, .attachScan])
    // "Until 2026-12-31" ends at the next local midnight.
    #expect(
      answer.instrument.grants[0].effectiveUntil
        == Google_Protobuf_Timestamp("2027-01-01T06:00:00Z"))
    #expect(try await desk.check("1.2.3.4").effect == .permit)
    #expect(try await desk.instrument(answer.instrument.instrumentID) == answer.instrument)
  }

  @Test func aDefectivePaperIsRecordedWithEachDefectNamed() async throws {
    let desk = try await RecordDesk()
    let id = try await desk.patient()
    try await desk.image("1.2.3.4", of: id)
    let paper = RecordDesk.paper([RecordDesk.terms { $0.clearExpiry() }]) {
      $0.statements.redisclosure = .unspecified
      $0.signer.capacity = .financialPowerOfAttorney
      $0.informationDescribed = ""
    }
    let answer = try await desk.record(id, paper)
    #expect(
      Set(answer.defects.map(\.element)) == [
        .expiry, .redisclosureStatement, .representativeAuthority, .informationDescription,
      ])
    #expect(answer.defects.allSatisfy { !$0.sentence.isEmpty && !$0.paragraph.isEmpty })
    #expect(answer.instrument.grants.map(\.state) == [.defective])
    #expect(answer.covered.isEmpty)
    #expect(answer.blocked.map(\.reason) == [.authIncomplete])
    #expect(try await desk.check("1.2.3.4").reason == .authIncomplete)
  }

  @Test func aBlockedImageNamesTheDenyThatStandsInTheWay() async throws {
    let desk = try await RecordDesk()
    let id = try await desk.patient()
    try await desk.image("1.2.3.4", of: id)
    try await desk.image("1.2.3.5", of: id)
    let refusal = RecordDesk.refusal({ $0.scope.image = RecordDesk.key("1.2.3.4") })
    let deny = try await desk.record(id, refusal)
    #expect(deny.covered == [RecordDesk.key("1.2.3.4")])
    let answer = try await desk.record(id)
    #expect(answer.covered == [RecordDesk.key("1.2.3.5")])
    #expect(answer.blocked.map(\.image) == [RecordDesk.key("1.2.3.4")])
    #expect(answer.blocked[0].denies.map(\.id) == [deny.instrument.instrumentID])
  }

  @Test func validateOnlyAnswersTheSameAndRecordsNothing() async throws {
    let desk = try await RecordDesk()
    let id = try await desk.patient()
    try await desk.image("1.2.3.4", of: id)
    let head = try await desk.head()
    let paper = RecordDesk.paper { $0.signaturePresent = .unspecified }
    let tried = try await desk.record(id, paper, validateOnly: true)
    #expect(try await desk.head() == head)
    #expect(tried.instrument.instrumentID.isEmpty && tried.instrument.grants[0].grantID.isEmpty)
    let recorded = try await desk.record(id, paper)
    #expect(tried.defects == recorded.defects && tried.defects.map(\.element) == [.signature])
    #expect(tried.covered == recorded.covered && tried.blockedCount == recorded.blockedCount)
  }

  @Test func aRepeatedRequestIsAnsweredAsTheFirstTimeWhateverCameMeanwhile() async throws {
    let desk = try await RecordDesk()
    let id = try await desk.patient()
    try await desk.image("1.2.3.4", of: id)
    let request = desk.request(id, RecordDesk.paper())
    let first = try await ConsentService.recordInstrument(desk.service, request, by: desk.caller)
      .response
    desk.clock.set("2026-03-11T15:00:00Z")
    try await desk.image("1.2.3.5", of: id)
    try await desk.record(id, RecordDesk.refusal(signed: "2026-03-02"))
    let again = try await ConsentService.recordInstrument(desk.service, request, by: desk.caller)
      .response
    #expect(first == again && again.coveredCount == 1)
  }

  @Test func theSecondIdentifierMustAgree() async throws {
    let desk = try await RecordDesk()
    let id = try await desk.patient("P-1")
    try await desk.patient("P-2")
    try await expectRefused(desk) {
      try await desk.record(id, RecordDesk.paper(), born: "1999-01-01")
    }
    var request = desk.request(id, RecordDesk.paper())
    request.secondIdentifier.identifier = RecordDesk.identifier("P-2")
    let wrong = request
    try await expectRefused(desk) {
      try await ConsentService.recordInstrument(desk.service, wrong, by: desk.caller).response
    }
    request.secondIdentifier.identifier = RecordDesk.identifier("P-1")
    let answer = try await ConsentService.recordInstrument(desk.service, request, by: desk.caller)
      .response
    #expect(!answer.instrument.instrumentID.isEmpty)
  }

  typealias Change = @Sendable (inout Consent_V1_RecordInstrumentRequest) -> Void

  static func line(
    _ change: @escaping @Sendable (inout Consent_V1_GrantTerms) -> Void
  ) -> Change { { change(&$0.instrument.parts[0].grants[0]) } }

  static let bad: [(String, Change)] = [
    ("patient_id", { $0.patientID = "" }),
    ("patient_id", { $0.patientID = "P-1" }),
    ("second_identifier", { $0.clearSecondIdentifier() }),
    ("idempotency_key", { $0.idempotencyKey = "" }),
    ("idempotency_key", { $0.idempotencyKey = String(repeating: "k", count: 129) }),
    ("recorded_by.system", { $0.recordedBy.value = "jd" }),
    ("min_position.chain", { $0.minPosition.chain = .init([1]) }),
    ("instrument", { $0.clearInstrument() }),
    ("instrument.kind", { $0.instrument.kind = .unspecified }),
    ("instrument.kind", { $0.instrument.kind = .UNRECOGNIZED(99) }),
    (
      "instrument.form",
      {
        $0.instrument.form.formID = "F"; $0.instrument.form.version = "1"
      }
    ),
    ("instrument.parts", { $0.instrument.parts = [] }),
    ("instrument.parts[0].number", { $0.instrument.parts[0].number = 0 }),
    ("instrument.parts[1].number", { $0.instrument.parts.append($0.instrument.parts[0]) }),
    ("instrument.signed", { $0.instrument.signed.localDay = RecordDesk.day("2026-03-12") }),
    (
      "instrument.received_at",
      { $0.instrument.receivedAt = Google_Protobuf_Timestamp("2026-03-12T00:00:00Z") }
    ),
    (
      "instrument.received_at",
      { $0.instrument.receivedAt = Google_Protobuf_Timestamp("2026-02-01T00:00:00Z") }
    ),
    ("instrument.document_ids", { $0.instrument.documentIds = ["d1"] }),
    (
      "instrument.signer.authority_through",
      {
        $0.instrument.signer.authorityFrom = RecordDesk.day("2026-02-01")
        $0.instrument.signer.authorityThrough = RecordDesk.day("2026-01-01")
      }
    ),
    ("instrument.parts[0].grants[0].effect", line { $0.effect = .unspecified }),
    ("instrument.parts[0].grants[0].scope", line { $0.clearScope() }),
    (
      "instrument.parts[0].grants[0].scope.study_instance_uid",
      line { $0.scope.studyInstanceUid = "1..2" }
    ),
    ("instrument.parts[0].grants[0].uses[0]", line { $0.uses = [.UNRECOGNIZED(9)] }),
    (
      "instrument.parts[0].grants[0].recipients[0].kind",
      line { $0.recipients[0].kind = .unspecified }
    ),
    ("instrument.parts[0].grants[0].region", line { $0.region = "the left hand" }),
    ("instrument.parts[0].grants[0].obligations[0]", line { $0.obligations = [.reviewWithin] }),
    (
      "instrument.parts[0].grants[0].expiry",
      line {
        $0.effectiveFrom.localDay = RecordDesk.day("2026-05-01")
        $0.expiry.until = RecordDesk.day("2026-04-01")
      }
    ),
    (
      "instrument.parts[0].grants[0].effective_from",
      line { $0.effectiveFrom.localDay = RecordDesk.day("2026-02-01") }
    ),
    (
      "instrument.parts[0].grants[0].expiry",
      line { $0.expiry.expiryEventID = ID<ExpiryEvent>.random().description }
    ),
    (
      "instrument.parts[1].grants[0].expiry",
      {
        var second = $0.instrument.parts[0]
        second.number = 2
        second.grants[0].expiry.until = RecordDesk.day("2026-01-01")
        $0.instrument.parts.append(second)
      }
    ),
    ("instrument.parts[0].grants[0].effect", { $0.instrument.kind = .refusal }),
    (
      "instrument.patient_named",
      {
        $0.instrument.kind = .part2Consent
        $0.instrument.patientNamed = .no
      }
    ),
  ]

  @Test(arguments: bad.indices)
  func whatNoPaperCanSayIsRefusedByField(_ index: Int) async throws {
    let desk = try await RecordDesk()
    let id = try await desk.patient()
    let (field, change) = InstrumentTests.bad[index]
    var request = desk.request(id, RecordDesk.paper())
    change(&request)
    let bad = request
    try await expectRefused(desk, naming: field) {
      try await ConsentService.recordInstrument(desk.service, bad, by: desk.caller).response
    }
  }

  @Test func theSameScanTwiceIsWarnedOf() async throws {
    let desk = try await RecordDesk()
    let id = try await desk.patient()
    let scan = "sha256:" + String(repeating: "ab", count: 32)
    let paper = RecordDesk.paper { $0.documentIds = [scan] }
    let first = try await desk.record(id, paper)
    #expect(first.duplicateInstrumentIds.isEmpty && first.instrument.workItems == [.giveCopy])
    #expect(first.instrument.fields.documentIds == [scan])
    let second = try await desk.record(id, paper)
    #expect(second.duplicateInstrumentIds == [first.instrument.instrumentID])
    #expect(second.instrument.instrumentID != first.instrument.instrumentID)
  }

  @Test func anUnknownPatientIsNotFound() async throws {
    let desk = try await RecordDesk()
    try await expectRefused(desk) { try await desk.record(PatientID.random().description) }
  }

  @Test func aFormCarriesItsStatementsAndNeverChanges() async throws {
    let desk = try await RecordDesk()
    let id = try await desk.patient()
    var put = Consent_V1_PutFormRequest()
    put.form.formID = "F-1"
    put.form.version = "2026"
    put.form.title = "Release of images"
    put.form.kind = .authorization
    put.form.statements.rightToRevoke = .yes
    put.form.statements.conditioning = .yes
    put.form.statements.redisclosure = .yes
    put.idempotencyKey = "f1"
    _ = try await ConsentService.putForm(desk.service, put, by: desk.caller)
    let head = try await desk.head()
    put.idempotencyKey = "f2"
    _ = try await ConsentService.putForm(desk.service, put, by: desk.caller)
    #expect(try await desk.head() == head)
    put.form.title = "Another text"
    put.idempotencyKey = "f3"
    let changed = put
    try await expectRefused(desk) {
      try await ConsentService.putForm(desk.service, changed, by: desk.caller)
    }
    put.form.plainLanguage = .yes
    put.form.kind = .unspecified
    put.idempotencyKey = "f4"
    let incomplete = put
    try await expectRefused(desk, naming: "form.kind") {
      try await ConsentService.putForm(desk.service, incomplete, by: desk.caller)
    }
    try await expectRefused(desk, naming: "form.plain_language") {
      try await ConsentService.putForm(desk.service, incomplete, by: desk.caller)
    }
    let answer = try await desk.record(
      id,
      RecordDesk.paper {
        $0.form.formID = "F-1"
        $0.form.version = "2026"
      })
    #expect(answer.defects.isEmpty && answer.instrument.fields.form.formID == "F-1")
  }

  @Test func papersAreListedNewestFirstByPatientImageKindAndState() async throws {
    let desk = try await RecordDesk()
    let id = try await desk.patient()
    try await desk.image("1.2.3.4", of: id)
    try await desk.image("1.2.9.4", of: id, study: "1.2.9")
    let all = try await desk.record(id).instrument
    let ofStudy = try await desk.record(
      id, RecordDesk.paper([RecordDesk.terms { $0.scope.studyInstanceUid = "1.2.9" }])
    ).instrument
    let refusal = try await desk.record(id, RecordDesk.refusal()).instrument
    _ = try await desk.revoke(desk.revocation(id, [all.grants[0].grantID]))
    func list(
      _ change: (inout Consent_V1_ListInstrumentsRequest) -> Void
    ) async throws -> Consent_V1_ListInstrumentsResponse {
      var request = Consent_V1_ListInstrumentsRequest()
      request.patient.patientID = id
      change(&request)
      return try await ConsentService.listInstruments(desk.service, request, by: desk.caller)
        .response
    }
    func ids(
      _ change: (inout Consent_V1_ListInstrumentsRequest) -> Void
    ) async throws -> [String] { try await list(change).instruments.map(\.instrumentID) }
    let (a, b, c) = (all.instrumentID, ofStudy.instrumentID, refusal.instrumentID)
    #expect(try await ids { _ in } == [c, b, a])
    #expect(try await ids { $0.image = RecordDesk.key("1.2.3.4") } == [c, a])
    #expect(try await ids { $0.kinds = [.refusal] } == [c])
    #expect(try await ids { $0.states = [.revoked] } == [a])
    let first = try await list { $0.pageSize = 2 }
    #expect(first.instruments.map(\.instrumentID) == [c, b])
    let rest = try await list {
      $0.pageSize = 2
      $0.pageToken = first.nextPageToken
    }
    #expect(rest.instruments.map(\.instrumentID) == [a] && rest.nextPageToken.isEmpty)
    try await expectRefused(desk, naming: "patient") {
      try await ConsentService.listInstruments(desk.service, .init(), by: desk.caller).response
    }
  }

  @Test func aPart2ConsentIsShownToThoseWithThatRightOnly() async throws {
    var desk = try await RecordDesk()
    let id = try await desk.patient()
    let paper = try await desk.record(id, RecordDesk.paper { $0.kind = .part2Consent }).instrument
    let plain = desk
    try await expectRefused(desk) { try await plain.instrument(paper.instrumentID) }
    desk.caller.limits.seesPart2 = true
    #expect(try await desk.instrument(paper.instrumentID).instrumentID == paper.instrumentID)
  }

  @Test func anUnknownOrMalformedIdIsToldApart() async throws {
    let desk = try await RecordDesk()
    try await expectRefused(desk, naming: "instrument_id") { try await desk.instrument("no-id") }
    try await expectRefused(desk) {
      try await desk.instrument("00000000-0000-4000-8000-000000000000")
    }
  }
}
