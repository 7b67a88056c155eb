import ConsentCore
import ConsentStore
import Testing

@testable import Reporting

@Suite struct ExpiringGrantsTests {
  @Test func grantsInForceAreListedByTheirEndWithWhatTheyLeaveUncovered() async throws {
    let clinic = try await TestClinic()
    try await clinic.addPatient(1, majority: TestClinic.hours(24 * 20))
    for number: UInt64 in 1...3 { try await clinic.addImage(number, of: 1) }
    try await clinic.addPaper(1, of: 1, until: TestClinic.hours(24 * 25))
    try await clinic.addPaper(
      2, of: 1, scope: .image(TestClinic.image(1)), until: TestClinic.hours(24 * 300))
    try await clinic.addPaper(3, of: 1) { $0.grants[0].expiry = .majority }
    try await clinic.addPaper(4, of: 1, until: TestClinic.hours(24 * 5))
    try await clinic.revoke(4, of: 1, received: TestClinic.start)
    try await clinic.addPaper(
      5, of: 1, kind: .refusal, effect: .deny, uses: [.research], until: TestClinic.hours(24))
    let report = try await clinic.reports.expiringGrants(ExpiringGrantsQuery(withinDays: 30))
    #expect(report.rows.map(\.grant.id) == [TestClinic.grant(3), TestClinic.grant(1)])
    #expect(report.rows.map(\.ends) == [TestClinic.hours(24 * 20), TestClinic.hours(24 * 25)])
    #expect(report.rows.map(\.images) == [3, 3])
    // Each of the two stands in for the other until it ends itself.
    #expect(report.rows.map(\.uncovered) == [0, 0])
    clinic.clock.set(TestClinic.hours(24 * 21))
    let later = try await clinic.reports.expiringGrants(ExpiringGrantsQuery(withinDays: 30))
    #expect(later.rows.map(\.grant.id) == [TestClinic.grant(1)])
    #expect(later.rows.map(\.uncovered) == [2])
    let diagnosis = ExpiringGrantsQuery(withinDays: 30, uses: [.diagnosis])
    #expect(try await clinic.reports.expiringGrants(diagnosis).rows.isEmpty)
  }
}
