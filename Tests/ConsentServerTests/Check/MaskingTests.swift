import ConsentCore
import ConsentProto
import ConsentStore
import Testing

@testable import ConsentServer

/// Part 2 reasons are for callers with the role; the log keeps the truth (42 CFR 2.13(c)(2)).
struct MaskingTests {
  @Test func onlyTheRoleSeesAPart2Reason() async throws {
    let desk = try await RecordDesk()
    let patient = try await desk.patient()
    let uid = try await desk.image("1.2.840.1", of: patient) {
      $0.part2.programUnit = RecordDesk.identifier("unit-7", system: "urn:units")
    }
    try await desk.record(patient, RecordDesk.paper([RecordDesk.terms { $0.disclosers = [] }]))
    var asked = Consent_V1_CheckRequest()
    asked.request = RequestReaderTests.asked
    asked.request.image.sopInstanceUid = uid
    let told = try await ConsentService.check(desk.service, asked, by: desk.caller).decision
    #expect(told.reason == .accessRestricted)
    #expect(!told.reasons.contains { $0.reason == .part2ConsentRequired })
    var cleared = desk.caller
    cleared.limits.seesPart2 = true
    let seen = try await ConsentService.check(desk.service, asked, by: cleared).decision
    #expect(seen.reason == .part2ConsentRequired)
    let logged = try await desk.store.read(RecordDesk.organization) {
      try $0.decisions(DecisionFilter(), limit: 10).map(\.entry.decision.primary)
    }
    #expect(logged == [.part2ConsentRequired, .part2ConsentRequired])

    var explain = Consent_V1_ExplainRequest()
    explain.decisionID = seen.decisionID
    let explained = try await ConsentService.explain(desk.service, explain, by: desk.caller)
      .response
    #expect(explained.decision.reason == .accessRestricted)
    #expect(!explained.ladder.contains { $0.reason == .part2ConsentRequired })

    var get = Consent_V1_GetDecisionRequest()
    get.decisionID = seen.decisionID
    let shown = try await ConsentService.getDecision(desk.service, get, by: desk.caller).response
    #expect(shown.decision.decision.reason == .accessRestricted)

    let denials = try await ConsentService.denials(
      desk.service, Consent_V1_DenialsRequest(), by: desk.caller
    ).response
    #expect(denials.rows.map(\.reason) == [.accessRestricted])
  }
}
