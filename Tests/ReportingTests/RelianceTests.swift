import ConsentCore
import ConsentStore
import Testing

@testable import Reporting

@Suite struct RelianceTests {
  /// DOMAIN scenario 1: used at 13:00, revocation received at 14:00 and recorded at 16:00.
  @Test func usesBeforeTheRevocationAreReliedOnAndThoseAfterNoticeAreApart() async throws {
    let clinic = try await TestClinic()
    try await clinic.addPatient(1)
    try await clinic.addImage(1, of: 1)
    try await clinic.addImage(2, of: 1, sources: [TestClinic.image(1)])
    try await clinic.addImage(3, of: 1, sources: [TestClinic.image(2)])
    try await clinic.addPaper(
      1, of: 1, scope: .image(TestClinic.image(1)), until: TestClinic.hours(1_000))
    clinic.clock.set(TestClinic.hours(13))
    let before = try await clinic.check(TestClinic.request(1))
    try await clinic.check(TestClinic.request(1, intent: .preview))
    clinic.clock.set(TestClinic.hours(15))
    let afterNotice = try await clinic.check(TestClinic.request(1))
    clinic.clock.set(TestClinic.hours(16))
    try await clinic.revoke(1, of: 1, received: TestClinic.hours(14))
    #expect(
      try await clinic.check(TestClinic.request(1)).entry.decision.primary == .authorizationRevoked)
    for subject in [
      RelianceSubject.grant(TestClinic.grant(1)), .revocation(ID(high: 80, low: 1)),
    ] {
      let report = try await clinic.reports.reliance(on: subject)
      #expect(report.uses.map(\.decision) == [before.id, afterNotice.id])
      #expect(report.uses.map(\.isAfterNotice) == [false, true])
      #expect(report.beforeNotice == 1 && report.afterNotice == 1)
      #expect(report.derivatives == [TestClinic.image(2), TestClinic.image(3)])
    }
  }

  /// DOMAIN scenario 6.
  @Test func usesBetweenANamedEventAndItsRecordingAreListed() async throws {
    let clinic = try await TestClinic()
    try await clinic.addPatient(1)
    try await clinic.addImage(1, of: 1)
    try await clinic.record(
      .expiryEvent(
        ExpiryEvent(
          id: TestClinic.event(1), patient: nil, definition: "end of residency",
          expectedBy: nil)))
    try await clinic.addPaper(1, of: 1) { paper in
      paper.grants[0].expiry = .event(TestClinic.event(1))
    }
    try await clinic.check(TestClinic.request(1))
    clinic.clock.set(TestClinic.hours(72))
    let between = try await clinic.check(TestClinic.request(1))
    clinic.clock.set(TestClinic.hours(144))
    try await clinic.record(
      .expiryEventResolution(
        ExpiryEventResolution(
          id: ID(high: 31, low: 1), event: TestClinic.event(1), occurred: TestClinic.hours(24))))
    #expect(
      try await clinic.check(TestClinic.request(1)).entry.decision.primary
        == .authorizationExpiredEvent)
    let report = try await clinic.reports.reliance(on: .expiryEvent(TestClinic.event(1)))
    #expect(report.uses.map(\.decision) == [between.id])
    #expect(report.afterNotice == 1)
  }

  @Test func whatIsNotRecordedIsNamed() async throws {
    let clinic = try await TestClinic()
    await #expect(throws: ReportError.grantNotFound) {
      try await clinic.reports.reliance(on: .grant(TestClinic.grant(9)))
    }
    await #expect(throws: ReportError.notFound(.expiryEvent)) {
      try await clinic.reports.reliance(on: .expiryEvent(TestClinic.event(9)))
    }
  }
}
