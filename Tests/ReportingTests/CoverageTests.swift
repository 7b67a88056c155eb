import ConsentCore
import ConsentStore
import Testing

@testable import Reporting

@Suite struct CoverageTests {
  private let cell = CoverageQuery(uses: [.education], audiences: [.external])

  private func counts(_ report: CoverageReport) -> [String: Int] {
    report.rows.reduce(into: [:]) { counts, row in
      for (standing, count) in row.counts {
        let name = standing.coverageClass.name + (standing.isExpiring ? "+EXPIRING" : "")
        counts[name, default: 0] += count
      }
    }
  }

  @Test func everyImageStandsInOneClass() async throws {
    let clinic = try await TestClinic()
    for number: UInt64 in 1...6 {
      try await clinic.addPatient(number)
      try await clinic.addImage(number, of: number)
    }
    try await clinic.addPaper(1, of: 1, until: TestClinic.hours(24 * 400))
    try await clinic.addPaper(2, of: 2, until: TestClinic.hours(24 * 10))
    try await clinic.addPaper(3, of: 3, until: TestClinic.hours(-1))
    try await clinic.addPaper(4, of: 4, until: TestClinic.hours(24 * 400))
    try await clinic.revoke(4, of: 4, received: TestClinic.start)
    try await clinic.addPaper(5, of: 5, kind: .refusal, effect: .deny, recipients: [])
    let report = try await clinic.reports.coverage(cell)
    #expect(
      counts(report) == [
        "COVERED_FOR_NAMED_RECIPIENTS": 1, "COVERED_FOR_NAMED_RECIPIENTS+EXPIRING": 1,
        "EXPIRED": 1, "REVOKED": 1, "REFUSED": 1, "NEVER_ASKED": 1,
      ])
    #expect(report.images == 6)
    #expect(report.patients == 6)
  }

  @Test func anEndAtTheHorizonIsExpiringAndOneAfterItIsNot() async throws {
    let clinic = try await TestClinic()
    for (number, until) in [
      (UInt64(1), TestClinic.hours(24 * 30)),
      (2, TestClinic.hours(24 * 30).adding(microseconds: 1)),
    ] {
      try await clinic.addPatient(number)
      try await clinic.addImage(number, of: number)
      try await clinic.addPaper(number, of: number, until: until)
    }
    #expect(
      counts(try await clinic.reports.coverage(cell)) == [
        "COVERED_FOR_NAMED_RECIPIENTS+EXPIRING": 1, "COVERED_FOR_NAMED_RECIPIENTS": 1,
      ])
  }

  @Test func anImageMovedToAnotherPatientCountsOnceAndOneEnteredInErrorNever() async throws {
    let clinic = try await TestClinic()
    try await clinic.addPatient(1)
    try await clinic.addPatient(2)
    try await clinic.addImage(1, of: 1)
    try await clinic.addImage(1, of: 2, version: 2)
    try await clinic.addImage(2, of: 1)
    try await clinic.enterInError(.image, RecordID(high: 60, low: 201), number: 1)
    for page in [1, 2, 16] {
      var query = cell
      query.patientsPerPage = page
      let report = try await clinic.reports.coverage(query)
      #expect(report.images == 1)
      #expect(report.rows.map(\.patients) == [1])
    }
  }

  @Test func mergedPatientsCountEachImageOnceAndShareTheirRefusal() async throws {
    let clinic = try await TestClinic()
    for number: UInt64 in [1, 2] {
      try await clinic.addPatient(number)
      try await clinic.addImage(number, of: number)
    }
    try await clinic.addPaper(1, of: 1, kind: .refusal, effect: .deny, recipients: [])
    try await clinic.record(
      .merge(
        PatientMerge(
          id: ID(high: 90, low: 1), survivor: TestClinic.patient(1),
          merged: TestClinic.patient(2))))
    for page in [1, 2] {
      var query = cell
      query.patientsPerPage = page
      #expect(counts(try await clinic.reports.coverage(query)) == ["REFUSED": 2])
    }
  }

  @Test func dimensionsDivideTheImagesAndFiltersSelectThem() async throws {
    let clinic = try await TestClinic()
    try await clinic.addPatient(1)
    for number: UInt64 in 1...8 {
      try await clinic.addImage(number, of: 1) { image in
        image.site = number % 2 == 0 ? "North" : nil
        image.modality = number <= 4 ? "DX" : "CT"
        image.acquiredDay = LocalDay(year: 2026, month: number <= 6 ? 2 : 3, day: Int(number))
      }
    }
    var query = cell
    query.dimensions = [.site, .modality, .month]
    let report = try await clinic.reports.coverage(query)
    #expect(report.rows.map(\.images).reduce(0, +) == 8)
    #expect(report.rows.map(\.images) == [1, 1, 2, 1, 1, 2])
    #expect(report.rows.first?.key.site == .unknown)
    #expect(report.rows.first?.key.department == .all)
    #expect(
      report.rows.last?.key.month == LocalDay(year: 2026, month: 2, day: 1).map { .value($0) })
    query.sites = ["North"]
    query.acquiredThrough = LocalDay(year: 2026, month: 2, day: 28)
    #expect(try await clinic.reports.coverage(query).images == 3)
  }

  @Test func moreRowsThanAllowedAreRefused() async throws {
    let clinic = try await TestClinic()
    try await clinic.addPatient(1)
    for number: UInt64 in 1...3 {
      try await clinic.addImage(number, of: 1) { $0.site = "site \(number)" }
    }
    var query = cell
    query.dimensions = [.site]
    query.maximumRows = 2
    await #expect(throws: ReportError.tooManyRows(limit: 2)) {
      try await clinic.reports.coverage(query)
    }
  }

  @Test func aPastInstantIsReportedAsItWasKnownThen() async throws {
    let clinic = try await TestClinic()
    try await clinic.addPatient(1)
    try await clinic.addImage(1, of: 1)
    try await clinic.addPaper(1, of: 1, until: TestClinic.hours(24 * 400))
    clinic.clock.set(TestClinic.hours(5))
    let then = try await clinic.reports.coverage(cell)
    clinic.clock.set(TestClinic.hours(10))
    try await clinic.revoke(1, of: 1, received: TestClinic.hours(1))
    try await clinic.addImage(2, of: 1)
    #expect(counts(try await clinic.reports.coverage(cell)) == ["REVOKED": 2])
    var past = cell
    past.asOf = TestClinic.hours(5)
    let again = try await clinic.reports.coverage(past)
    #expect(again.head == then.head)
    #expect(again.rows == then.rows)
    #expect(counts(again) == ["COVERED_FOR_NAMED_RECIPIENTS": 1])
  }

  @Test func whatIsRecordedWhileAReportRunsIsNotInIt() async throws {
    let clinic = try await TestClinic()
    for number: UInt64 in 1...5 {
      try await clinic.addPatient(number)
      try await clinic.addImage(number, of: number)
    }
    var query = cell
    query.patientsPerPage = 2
    var told: [CoverageProgress] = []
    let report = try await clinic.reports.coverage(query) { progress in
      told.append(progress)
      let next = 100 + UInt64(told.count)
      if told.count < 4 {
        try await clinic.addPatient(next)
        try await clinic.addImage(next, of: next)
        try await clinic.addImage(next + 100, of: 5)
      }
    }
    #expect(report.images == 5)
    #expect(told.map(\.imagesDone).prefix(3) == [2, 4, 5])
    #expect(told.allSatisfy { $0.patientsDone <= $0.patientsTotal })
    #expect(told.last.map { $0.patientsDone == $0.patientsTotal } == true)
  }

  @Test func theDrillDownNamesTheRecordsBehindAClass() async throws {
    let clinic = try await TestClinic()
    try await clinic.addPatient(1)
    try await clinic.addImage(1, of: 1)
    try await clinic.addPaper(1, of: 1, until: TestClinic.hours(24))
    let images = try await clinic.reports.coverage(
      of: TestClinic.patient(1), use: .education, audience: .external)
    #expect(images.map(\.image) == [TestClinic.image(1)])
    #expect(images.first?.records.first?.grant == TestClinic.grant(1))
    #expect(images.first?.expiresAt == TestClinic.hours(24))
    #expect(images.first?.standing.isExpiring == true)
  }
}
