import ConsentCore
import ConsentProto
import ConsentStore
import Testing

@testable import ConsentServer

/// What is hidden is told neither by a summary, nor by a filter, nor by a list of other things
/// (42 CFR 2.13(c)(2)).
struct HiddenReasonTests {
  static let hidden = "1.2.840.1"
  static let plain = "1.2.840.2"

  /// One image denied for want of a Part 2 consent, one of another patient without any paper.
  func clinic() async throws -> RecordDesk {
    let desk = try await RecordDesk()
    let patient = try await desk.patient()
    try await desk.image(HiddenReasonTests.hidden, of: patient) {
      $0.part2.programUnit = RecordDesk.identifier("unit-7", system: "urn:units")
    }
    try await desk.record(patient, RecordDesk.paper([RecordDesk.terms { $0.disclosers = [] }]))
    let other = try await desk.patient("P-2")
    try await desk.image(HiddenReasonTests.plain, of: other, study: "1.2.4")
    return desk
  }

  func cleared(_ desk: RecordDesk) -> Principal {
    var caller = desk.caller
    caller.limits.seesPart2 = true
    return caller
  }

  @Test func aGroupDeniedForSeveralReasonsHidesTheOneOfHighestPrecedence() async throws {
    let desk = try await clinic()
    var group = Consent_V1_CheckGroupRequest()
    group.request = RequestReaderTests.asked
    group.request.clearImage()
    group.images.images = [HiddenReasonTests.hidden, HiddenReasonTests.plain].map(RecordDesk.key)
    let seen = try await ConsentService.checkGroup(desk.service, group, by: cleared(desk))
    #expect(seen.decision.reason == .part2ConsentRequired)
    let told = try await ConsentService.checkGroup(desk.service, group, by: desk.caller)
    #expect(told.decision.reason == .accessRestricted)
    #expect(!told.decision.reasons.contains { $0.reason == .part2ConsentRequired })
  }

  @Test func aFilterByAHiddenReasonFindsNothingAndByTheShownOneAll() async throws {
    let desk = try await clinic()
    var check = Consent_V1_CheckRequest()
    check.request = RequestReaderTests.asked
    check.request.image = RecordDesk.key(HiddenReasonTests.hidden)
    _ = try await ConsentService.check(desk.service, check, by: desk.caller)
    for (reason, expected) in [
      (Consent_V1_Reason.part2ConsentRequired, 0), (.accessRestricted, 1),
    ] {
      var denials = Consent_V1_DenialsRequest()
      denials.reasons = [reason]
      let counted = try await ConsentService.denials(desk.service, denials, by: desk.caller)
        .response
      #expect(counted.denials == UInt64(expected) && counted.rows.count == expected)
      var list = Consent_V1_ListDecisionsRequest()
      list.reasons = [reason]
      let listed = try await ConsentService.listDecisions(desk.service, list, by: desk.caller)
        .response
      #expect(listed.decisions.count == expected)
      let all = try await ConsentService.listDecisions(desk.service, list, by: cleared(desk))
        .response
      #expect(all.decisions.count == 1 - expected)
      let allCounted = try await ConsentService.denials(
        desk.service, denials, by: cleared(desk)
      ).response
      #expect(allCounted.denials == UInt64(1 - expected))
    }
  }

  @Test func aPart2ConsentIsInNoListOfOtherPapers() async throws {
    let desk = try await RecordDesk(at: "2026-03-10T15:00:00Z")
    let patient = try await desk.patient()
    try await desk.image(HiddenReasonTests.plain, of: patient)
    try await desk.record(
      patient,
      RecordDesk.paper {
        $0.kind = .part2Consent
        $0.receivedAt = .init("2026-03-01T15:00:00Z")
      })
    let known = try await desk.record(patient).instrument.grants[0].grantID
    desk.clock.set("2026-12-20T15:00:00Z")
    for (caller, expected) in [(desk.caller, 0), (cleared(desk), 1)] {
      var expiring = Consent_V1_ExpiringGrantsRequest()
      expiring.withinDays = 30
      let ending = try await ConsentService.expiringGrants(desk.service, expiring, by: caller)
        .response
      #expect(ending.grants.count == 1 + expected && ending.total == UInt64(1 + expected))
      var late = Consent_V1_LateEntriesRequest()
      late.recorded.from = .init("2026-03-01T00:00:00Z")
      let entries = try await ConsentService.lateEntries(desk.service, late, by: caller).response
      #expect(entries.recorded == UInt64(1 + expected))
      #expect(entries.entries.count == 1 + expected && entries.total == UInt64(1 + expected))
      var trial = desk.revocation(patient, [known])
      trial.validateOnly = true
      trial.idempotencyKey = ""
      let remaining = try await ConsentService.revoke(desk.service, trial, by: caller).response
        .remaining
      #expect(remaining.count == expected)
    }
  }
}
