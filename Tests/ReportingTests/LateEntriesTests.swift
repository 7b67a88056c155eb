import ConsentCore
import ConsentStore
import Testing

@testable import Reporting

@Suite struct LateEntriesTests {
  @Test func aLatePaperNamesTheUsesItWouldHaveCovered() async throws {
    let clinic = try await TestClinic()
    try await clinic.addPatient(1)
    for number: UInt64 in 1...2 { try await clinic.addImage(number, of: 1) }
    let denied = try await clinic.check(TestClinic.request(1))
    try await clinic.check(TestClinic.request(2))
    try await clinic.check(TestClinic.request(1, intent: .preview))
    clinic.clock.set(TestClinic.hours(24 * 7))
    try await clinic.addPaper(1, of: 1, scope: .image(TestClinic.image(1)), by: "late clerk") {
      $0.received = TestClinic.start
      $0.signed = SignedTime(day: TestClinic.today)
      $0.grants[0].effectiveFrom = TestClinic.start
    }
    try await clinic.addPaper(2, of: 1, scope: .image(TestClinic.image(2))) {
      $0.received = TestClinic.hours(24 * 7)
      $0.signed = SignedTime(day: TestClinic.today)
      $0.receivedDay = LocalDay(daysSince1970: TestClinic.today.daysSince1970 + 6)
    }
    let report = try await clinic.reports.lateEntries(LateEntriesQuery())
    #expect(report.papers == 2)
    #expect(report.entries.map(\.record.id) == [TestClinic.paper(1).retyped()])
    #expect(report.entries.first?.recordedBy == "late clerk")
    #expect(report.entries.first?.affected == [denied.id])
    #expect(try await clinic.reports.lateEntries(.init(lateDays: 8)).entries.isEmpty)
    #expect(
      try await clinic.reports.lateEntries(.init(recordedBy: "clerk")).papers == 1)
  }

  @Test func aPaperSignedAfterAUseNeverCoversIt() async throws {
    let clinic = try await TestClinic()
    try await clinic.addPatient(1)
    try await clinic.addImage(1, of: 1)
    try await clinic.check(TestClinic.request(1))
    clinic.clock.set(TestClinic.hours(24 * 20))
    try await clinic.addPaper(1, of: 1) {
      $0.received = TestClinic.hours(24)
      $0.signed = SignedTime(day: LocalDay(daysSince1970: TestClinic.today.daysSince1970 + 1))
      $0.grants[0].effectiveFrom = TestClinic.hours(24)
    }
    let report = try await clinic.reports.lateEntries(LateEntriesQuery())
    #expect(report.entries.map(\.affectedUses) == [0])
  }

  @Test func anErrorNamesTheAnswersGivenMeanwhile() async throws {
    let clinic = try await TestClinic()
    try await clinic.addPatient(1)
    for number: UInt64 in 1...2 { try await clinic.addImage(number, of: 1) }
    try await clinic.addPaper(1, of: 1)
    try await clinic.addPaper(2, of: 1, scope: .image(TestClinic.image(2)))
    let rested = try await clinic.check(TestClinic.request(1))
    try await clinic.check(TestClinic.request(2))
    try await clinic.enterInError(.instrument, TestClinic.paper(1).retyped(), number: 1)
    try await clinic.check(TestClinic.request(1))
    let report = try await clinic.reports.lateEntries(LateEntriesQuery())
    #expect(report.entries.count == 1)
    #expect(report.entries.first?.enteredInError == TestClinic.start)
    // The other image had a paper of its own.
    #expect(report.entries.first?.affected == [rested.id])
  }

  @Test func aLateRevocationNamesTheUsesAfterNotice() async throws {
    let clinic = try await TestClinic()
    try await clinic.addPatient(1)
    try await clinic.addImage(1, of: 1)
    try await clinic.addPaper(1, of: 1)
    try await clinic.check(TestClinic.request(1))
    clinic.clock.set(TestClinic.hours(24))
    let used = try await clinic.check(TestClinic.request(1))
    clinic.clock.set(TestClinic.hours(24 * 9))
    try await clinic.revoke(1, of: 1, received: TestClinic.hours(12))
    let report = try await clinic.reports.lateEntries(LateEntriesQuery())
    #expect(report.entries.map(\.record.kind) == [.revocation])
    #expect(report.entries.first?.affected == [used.id])
  }
}
