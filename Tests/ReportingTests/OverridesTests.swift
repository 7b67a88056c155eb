import ConsentCore
import ConsentStore
import Testing

@testable import Reporting

@Suite struct OverridesTests {
  @Test func overridesAwaitReviewUntilTheyHaveOne() async throws {
    let clinic = try await TestClinic()
    try await clinic.addPatient(1)
    try await clinic.addImage(1, of: 1)
    try await clinic.addPaper(
      1, of: 1, kind: .restrictionAgreed, effect: .deny, uses: [.diagnosis],
      audiences: [.ownWorkforce], recipients: [])
    var request = TestClinic.request(1, use: .diagnosis, audience: .ownWorkforce, channel: .ehr)
    #expect(try await clinic.check(request).entry.decision.primary == .restrictionAgreed)
    request.emergency = EmergencyAttestation(
      attester: Identifier(system: "users", value: "u1"), reason: "unconscious",
      attested: TestClinic.start)
    let first = try await clinic.check(request)
    clinic.clock.set(TestClinic.hours(1))
    let second = try await clinic.check(request)
    let all = try await clinic.reports.overrides(OverridesQuery(reviewed: [first.id]))
    #expect(all.rows.map(\.decision) == [second.id, first.id])
    #expect(all.rows.map(\.isReviewed) == [false, true])
    #expect(all.rows.map(\.denied) == [.restrictionAgreed, .restrictionAgreed])
    #expect(all.rows.first?.reviewBy == TestClinic.hours(73))
    let waiting = try await clinic.reports.overrides(
      OverridesQuery(awaitingReview: true, reviewed: [first.id]))
    #expect(waiting.rows.map(\.decision) == [second.id])
    #expect(waiting.total == 2 && waiting.awaitingReview == 1)
  }
}
