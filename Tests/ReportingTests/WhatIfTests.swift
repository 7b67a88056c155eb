import ConsentCore
import ConsentStore
import Testing

@testable import Reporting

@Suite struct WhatIfTests {
  @Test func aRevocationTodayIsTriedAndNotRecorded() async throws {
    let clinic = try await TestClinic()
    try await clinic.addPatient(1)
    for number: UInt64 in 1...2 { try await clinic.addImage(number, of: 1) }
    try await clinic.addImage(3, of: 1, sources: [TestClinic.image(2)])
    try await clinic.addPaper(1, of: 1)
    try await clinic.addPaper(2, of: 1, scope: .image(TestClinic.image(1)))
    try await clinic.check(TestClinic.request(2))
    let report = try await clinic.reports.whatIf(revoking: .grant(TestClinic.grant(1)))
    #expect(report.losing == 2)
    #expect(
      report.touched.filter(\.isLost).map(\.image) == [TestClinic.image(2), TestClinic.image(3)])
    let kept = report.touched.first { $0.image == TestClinic.image(1) }
    #expect(kept == nil || kept?.remaining == [TestClinic.grant(2)])
    #expect(report.reliedUses == 1)
    #expect(report.derivatives == [TestClinic.image(3)])
    #expect(try await clinic.check(TestClinic.request(2)).entry.decision.effect == .permit)
    let all = try await clinic.reports.whatIf(revoking: .patient(TestClinic.patient(1)))
    #expect(all.losing == 3)
    await #expect(throws: ReportError.notFound(.instrument)) {
      try await clinic.reports.whatIf(revoking: .instrument(TestClinic.paper(7)))
    }
  }
}
