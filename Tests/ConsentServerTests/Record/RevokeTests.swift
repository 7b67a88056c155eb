import ConsentCore
import ConsentProto
import ConsentStore
import SwiftProtobuf
import Testing

@testable import ConsentServer

@Suite struct RevokeTests {
  @Test func aRevocationBindsFromRecordedAndCountsTheUsesBefore() async throws {
    let desk = try await RecordDesk(at: "2026-06-10T12:00:00Z")
    let id = try await desk.patient()
    try await desk.image("1.2.3.4", of: id)
    let grant = try await desk.record(id).instrument.grants[0].grantID
    #expect(try await desk.check("1.2.3.4").effect == .permit)
    desk.clock.set("2026-06-10T15:00:00Z")
    #expect(try await desk.check("1.2.3.4").effect == .permit)
    desk.clock.set("2026-06-10T16:30:00Z")
    var request = desk.revocation(id, [grant])
    request.signed.instant = Google_Protobuf_Timestamp("2026-06-10T09:00:00Z")
    request.receivedAt = Google_Protobuf_Timestamp("2026-06-10T14:05:00Z")
    let answer = try await desk.revoke(request)
    #expect(answer.revokedGrantIds == [grant] && answer.endedGrantIds.isEmpty)
    #expect(answer.relianceCount == 2 && answer.usedAfterNoticeCount == 1)
    #expect(answer.binds)
    #expect(answer.bindsFrom == Google_Protobuf_Timestamp("2026-06-10T16:30:00Z"))
    #expect(try await desk.check("1.2.3.4").reason == .authRevoked)
    #expect(try await desk.events().filter { $0 == .grantRevoked }.count == 1)
    let again = try await desk.revoke(request)
    #expect(again.revocationID == answer.revocationID && again.relianceCount == 2)
  }

  /// A use that rests on two of the grants counts once; denials do not count.
  @Test func usesUnderSeveralGrantsAreCountedOnce() async throws {
    let desk = try await RecordDesk(at: "2026-06-10T12:00:00Z")
    let id = try await desk.patient()
    try await desk.image("1.2.3.4", of: id)
    for _ in 0..<3 { #expect(try await desk.check("1.2.3.4").effect == .deny) }
    desk.clock.set("2026-06-10T13:00:00Z")
    let paper = try await desk.record(
      id, RecordDesk.paper([RecordDesk.terms(), RecordDesk.terms()])
    ).instrument
    for _ in 0..<3 { #expect(try await desk.check("1.2.3.4").effect == .permit) }
    let answer = try await desk.revoke(desk.revocation(id, paper.grants.map(\.grantID)))
    #expect(answer.revokedGrantIds.count == 2)
    #expect(answer.relianceCount == 3 && !answer.countsAreLowerBounds)
  }

  @Test func whatStillCoversAndWhatWasMadeIsTold() async throws {
    let desk = try await RecordDesk()
    let id = try await desk.patient()
    try await desk.image("1.2.3.4", of: id)
    try await desk.image("1.2.3.5", of: id) {
      $0.kind = .derivative
      $0.sources = [RecordDesk.key("1.2.3.4")]
    }
    let narrow = try await desk.record(
      id, RecordDesk.paper([RecordDesk.terms { $0.scope.image = RecordDesk.key("1.2.3.4") }])
    ).instrument.grants[0].grantID
    let wide = try await desk.record(id).instrument.grants[0].grantID
    let answer = try await desk.revoke(desk.revocation(id, [narrow]))
    #expect(answer.remaining.map(\.grant.grantID) == [wide])
    #expect(answer.remaining[0].imageCount == 2)
  }

  @Test func validateOnlyRevokesNothing() async throws {
    let desk = try await RecordDesk()
    let id = try await desk.patient()
    try await desk.image("1.2.3.4", of: id)
    let grant = try await desk.record(id).instrument.grants[0].grantID
    try await desk.check("1.2.3.4")
    var request = desk.revocation(id, [grant])
    request.validateOnly = true
    request.idempotencyKey = ""
    let head = try await desk.head()
    let tried = try await desk.revoke(request)
    #expect(tried.revocationID.isEmpty && tried.revokedGrantIds == [grant])
    #expect(tried.relianceCount == 1)
    #expect(try await desk.head() == head)
  }

  @Test func aPaperOrEverythingCanBeRevokedAtOnce() async throws {
    let desk = try await RecordDesk()
    let id = try await desk.patient()
    let first = try await desk.record(
      id, RecordDesk.paper([RecordDesk.terms(), RecordDesk.terms()])
    )
    .instrument
    let second = try await desk.record(id).instrument
    var request = desk.revocation(id, [])
    request.instrumentID = first.instrumentID
    let ofPaper = try await desk.revoke(request)
    #expect(Set(ofPaper.revokedGrantIds) == Set(first.grants.map(\.grantID)))
    request.everyGrant = Consent_V1_EveryGrant()
    request.idempotencyKey = "every"
    let ofAll = try await desk.revoke(request)
    #expect(ofAll.revokedGrantIds == second.grants.map(\.grantID))
    request.idempotencyKey = "every again"
    let none = request
    try await expectRefused(desk) { try await desk.revoke(none) }
  }

  @Test func anEndedGrantIsRevokedAllTheSame() async throws {
    let desk = try await RecordDesk()
    let id = try await desk.patient()
    let grant = try await desk.record(id).instrument.grants[0].grantID
    desk.clock.set("2027-01-05T12:00:00Z")
    let answer = try await desk.revoke(desk.revocation(id, [grant]))
    #expect(answer.endedGrantIds == [grant] && answer.revokedGrantIds.isEmpty)
    #expect(try await desk.events().last == .endedGrantRevoked)
  }

  @Test func aParentDoesNotRevokeWhatAMinorLawfullySignedAlone() async throws {
    let desk = try await RecordDesk()
    let id = try await desk.patient("P-2", born: "2010-01-01")
    let grant = try await desk.record(
      id, RecordDesk.paper { $0.signer.capacity = .minorConsenting }, born: "2010-01-01"
    ).instrument.grants[0].grantID
    var request = desk.revocation(id, [grant], born: "2010-01-01")
    request.signer.capacity = .parent
    request.signer.authorityDescription = "mother"
    let byParent = request
    try await expectRefused(desk) { try await desk.revoke(byParent) }
    request.signer.capacity = .minorConsenting
    #expect(try await desk.revoke(request).revokedGrantIds == [grant])
  }

  @Test func anOralRevocationIsRecordedAndDoesNotBindWherePolicySaysSo() async throws {
    let desk = try await RecordDesk(at: "2026-06-10T12:00:00Z")
    let id = try await desk.patient()
    try await desk.image("1.2.3.4", of: id)
    let grants = try await desk.record(
      id, RecordDesk.paper([RecordDesk.terms(), RecordDesk.terms()])
    )
    .instrument.grants.map(\.grantID)
    var request = desk.revocation(id, [grants[0]])
    request.method = .oral
    #expect(try await desk.revoke(request).binds)
    desk.clock.set("2026-06-10T13:00:00Z")
    var policy = Consent_V1_SetPolicyRequest()
    policy.switches.oralRevocationBinds = false
    policy.idempotencyKey = "p"
    _ = try await ConsentService.setPolicy(desk.service, policy, by: desk.caller)
    var oral = desk.revocation(id, [grants[1]])
    oral.method = .oral
    let answer = try await desk.revoke(oral)
    #expect(!answer.binds && !answer.hasBindsFrom && !answer.revocationID.isEmpty)
    #expect(answer.revokedGrantIds.isEmpty && answer.endedGrantIds.isEmpty)
    #expect(answer.remaining.map(\.grant.grantID) == [grants[1]])
    #expect(try await desk.events().last == .revocationNotBinding)
    oral.method = .written
    oral.idempotencyKey = "written"
    let written = try await desk.revoke(oral)
    #expect(written.binds && written.revokedGrantIds == [grants[1]])
  }

  typealias Change = @Sendable (inout Consent_V1_RevokeRequest) -> Void

  static let bad: [(String, Change)] = [
    ("patient_id", { $0.patientID = "x" }),
    ("second_identifier", { $0.clearSecondIdentifier() }),
    ("idempotency_key", { $0.idempotencyKey = "" }),
    ("target", { $0.target = nil }),
    ("grants.grant_ids", { $0.grants.grantIds = [] }),
    ("grants.grant_ids[0]", { $0.grants.grantIds = ["x"] }),
    ("grants.grant_ids[0]", { $0.grants.grantIds = [GrantID.random().description] }),
    ("grants.grant_ids", { $0.grants.grantIds += $0.grants.grantIds }),
    ("instrument_id", { $0.instrumentID = InstrumentID.random().description }),
    ("method", { $0.method = .unspecified }),
    ("signer", { $0.clearSigner() }),
    ("signer.authority_description", { $0.signer.capacity = .guardian }),
    ("signed", { $0.signed.localDay = RecordDesk.day("2026-02-01") }),
    ("signed", { $0.signed.localDay = RecordDesk.day("2026-03-12") }),
    ("received_at", { $0.receivedAt = Google_Protobuf_Timestamp("2026-03-12T00:00:00Z") }),
    ("document_ids", { $0.documentIds = ["d1"] }),
  ]

  @Test(arguments: bad.indices)
  func aBadRevocationIsRefusedByField(_ index: Int) async throws {
    let desk = try await RecordDesk()
    let id = try await desk.patient()
    let grant = try await desk.record(id).instrument.grants[0].grantID
    let (field, change) = RevokeTests.bad[index]
    var request = desk.revocation(id, [grant])
    change(&request)
    let bad = request
    try await expectRefused(desk, naming: field) { try await desk.revoke(bad) }
  }

  @Test func anothersGrantIsNotRevoked() async throws {
    let desk = try await RecordDesk()
    let id = try await desk.patient("P-1")
    let other = try await desk.patient("P-2")
    let grant = try await desk.record(other).instrument.grants[0].grantID
    try await expectRefused(desk, naming: "grants.grant_ids[0]") {
      try await desk.revoke(desk.revocation(id, [grant]))
    }
    try await expectRefused(desk) {
      try await desk.revoke(desk.revocation(other, [grant], born: "1999-01-01"))
    }
  }
}
