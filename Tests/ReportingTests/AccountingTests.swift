import ConsentCore
import ConsentStore
import Testing

@testable import Reporting

/// What 45 CFR 164.528 asks for, and what it leaves out.
@Suite struct AccountingTests {
  private func clinic() async throws -> TestClinic {
    let clinic = try await TestClinic()
    try await clinic.addPatient(1)
    try await clinic.addImage(1, of: 1) {
      $0.modality = "DX"
      $0.bodyPart = "CHEST"
    }
    return clinic
  }

  private func accounting(_ clinic: TestClinic, of patient: UInt64 = 1) async throws
    -> [DisclosureLine]
  {
    try await clinic.reports.accounting(of: TestClinic.patient(patient)).lines
  }

  private func useReport(
    _ number: UInt64, image: UInt64 = 1, decision: DecisionID? = nil, use: Use = .education,
    audience: Audience = .external, at: Instant, wasUsed: Bool = true
  ) -> UseReport {
    UseReport(
      id: ID(high: 90, low: number), decision: decision, image: TestClinic.image(image), use: use,
      audience: audience, channel: .publication,
      actor: Actor(user: Identifier(system: "users", value: "u1"), role: .clinician),
      recipient: TestClinic.journal, happened: at, wasUsed: wasUsed, note: "")
  }

  private func put(_ clinic: TestClinic, _ report: UseReport) async throws {
    _ = try await clinic.store.write(clinic.organization, by: "clerk", key: nil) { writer in
      try writer.put(useReports: [report])
      return []
    }
  }

  @Test func treatmentTheIndividualAndAnAuthorizationAreLeftOut() async throws {
    let clinic = try await clinic()
    try await clinic.addPaper(1, of: 1)
    let permitted = [
      TestClinic.request(1),
      TestClinic.request(1, use: .diagnosis, audience: .ownWorkforce, channel: .ehr),
      TestClinic.request(
        1, use: .consultation, audience: .treatingProvider, channel: .secureMessaging),
    ]
    for request in permitted {
      let logged = try await clinic.check(request)
      #expect(logged.entry.decision.effect == .permit, "\(logged.entry.decision.primary)")
    }
    #expect(try await accounting(clinic) == [])
  }

  @Test func whatRestedOnAPaperEnteredInErrorIsAccountedFor() async throws {
    let clinic = try await clinic()
    try await clinic.addPaper(1, of: 1)
    let logged = try await clinic.check(TestClinic.request(1))
    try await clinic.check(TestClinic.request(1, intent: .preview))
    #expect(try await accounting(clinic) == [])
    try await clinic.enterInError(.instrument, TestClinic.paper(1).retyped(), number: 1)
    let lines = try await accounting(clinic)
    #expect(lines.map(\.source) == [.decision(logged.id)])
    #expect(lines.first?.recipient == TestClinic.journal)
    #expect(lines.first?.purpose == "EDUCATION, PUBLICATION")
    #expect(lines.first?.information.hasPrefix("DX CHEST image of 2025-") ?? false)
    // The statement was itself an error: the authorization was one.
    try await clinic.enterInError(.enteredInError, ID(high: 81, low: 1), number: 2)
    #expect(try await accounting(clinic) == [])
  }

  /// From the notice on there was no authorization, although nobody had recorded that yet.
  @Test func whatWasUsedAfterNoticeIsAccountedFor() async throws {
    let clinic = try await clinic()
    try await clinic.addPaper(1, of: 1)
    try await clinic.check(TestClinic.request(1))
    clinic.clock.set(TestClinic.hours(2))
    let after = try await clinic.check(TestClinic.request(1))
    clinic.clock.set(TestClinic.hours(3))
    try await clinic.revoke(1, of: 1, received: TestClinic.hours(1))
    #expect(try await accounting(clinic).map(\.source) == [.decision(after.id)])
    // It did not take place.
    try await put(
      clinic, useReport(1, decision: after.id, at: TestClinic.hours(3), wasUsed: false))
    #expect(try await accounting(clinic) == [])
  }

  @Test func aSecondPaperThatStandsIsEnough() async throws {
    let clinic = try await clinic()
    try await clinic.addPaper(1, of: 1)
    try await clinic.addPaper(2, of: 1)
    let logged = try await clinic.check(TestClinic.request(1))
    let papers = logged.entry.decision.records.filter { $0.part == .basis }.count
    try await clinic.enterInError(.instrument, TestClinic.paper(1).retyped(), number: 1)
    #expect(try await accounting(clinic).isEmpty == (papers == 2))
    try await clinic.enterInError(.instrument, TestClinic.paper(2).retyped(), number: 2)
    #expect(try await accounting(clinic).count == 1)
  }

  @Test func usesReportedAgainstADenyOrWithoutAGroundAreAccountedFor() async throws {
    let clinic = try await clinic()
    let denied = try await clinic.check(TestClinic.request(1))
    #expect(denied.entry.decision.effect == .deny)
    let reports = [
      useReport(1, decision: denied.id, at: TestClinic.hours(-3)),
      useReport(2, at: TestClinic.hours(-2)),
      useReport(3, use: .consultation, audience: .treatingProvider, at: TestClinic.hours(-1)),
      useReport(4, use: .education, audience: .ownWorkforce, at: TestClinic.hours(-1)),
      useReport(5, at: TestClinic.hours(-1), wasUsed: false),
      useReport(6, image: 2, at: TestClinic.hours(-1)),
    ]
    for report in reports { try await put(clinic, report) }
    let lines = try await accounting(clinic)
    // Of the third nothing is known but that treatment needs a channel for it: it is judged as a
    // check would have been.
    #expect(
      lines.map(\.source).prefix(2) == [
        .useReport(reports[0].id, denied.id), .useReport(reports[1].id, nil),
      ])
    #expect(
      !lines.contains { line in
        [reports[3].id, reports[4].id, reports[5].id].contains { id in
          line.source == .useReport(id, nil)
        }
      })
  }

  @Test func disclosuresRecordedByHandOfAllRegistrationsAreInOrderAndInThePeriod() async throws {
    let clinic = try await clinic()
    try await clinic.addPatient(2)
    try await clinic.record(
      .merge(
        PatientMerge(
          id: ID(high: 70, low: 1), survivor: TestClinic.patient(1),
          merged: TestClinic.patient(2))))
    let sixYears = Reports.accountingReach
    let places: [(UInt64, Int64)] = [
      (1, -sixYears), (1, -sixYears - 1), (2, -5), (1, -10), (3, -3), (1, 0),
    ]
    for (number, (patient, offset)) in places.enumerated() {
      let at = TestClinic.start.adding(microseconds: offset)
      let disclosure = Disclosure(
        id: ID(high: 91, low: UInt64(number)), patient: TestClinic.patient(patient), images: [],
        disclosed: SignedTime(day: TestClinic.today, instant: at), at: at,
        recipient: TestClinic.journal, information: "films", purpose: "subpoena",
        ground: .permittedByLaw, paragraph: "164.512(e)")
      _ = try await clinic.store.write(clinic.organization, by: "clerk", key: nil) { writer in
        try writer.put(disclosure: disclosure)
        return []
      }
    }
    func told(_ lines: [DisclosureLine]) -> [UInt64] {
      lines.map { line in
        guard case .recorded(let id) = line.source else { return .max }
        return id.low
      }
    }
    #expect(try await told(accounting(clinic)) == [0, 3, 2, 5])
    #expect(try await told(accounting(clinic, of: 2)) == [0, 3, 2, 5])
    let part = try await clinic.reports.accounting(
      of: TestClinic.patient(1),
      ReportPeriod(
        from: TestClinic.start.adding(microseconds: -10), until: TestClinic.start))
    #expect(told(part.lines) == [3, 2])
  }
}
