public import ConsentCore
internal import ConsentStore

extension Reports {
  /// How the images stand for each use and audience, by `probe`: the same ladder as a Check.
  ///
  /// The facts are those of one position however long it takes: each page is read as known there.
  /// - Parameter progress: called after each page; throwing ends the report.
  /// - Throws: `ReportError`; what the store or `progress` throws.
  public func coverage(
    _ query: CoverageQuery,
    progress: (CoverageProgress) async throws -> Void = { _ in }
  ) async throws -> CoverageReport {
    try query.validate()
    let frame = try await frame(asOf: query.asOf)
    var tally = CoverageTally(maximumRows: query.maximumRows)
    var done = CoverageProgress(
      patientsDone: 0, patientsTotal: frame.patients, imagesDone: 0)
    var cursor: PatientID?
    while true {
      let page = try await page(query, frame, after: cursor, tally)
      tally = page.tally
      guard let last = page.last else { break }
      cursor = last
      done.patientsDone += page.patients
      // Patients registered since the report began have no image at its position.
      done.patientsTotal = max(done.patientsTotal, done.patientsDone)
      done.imagesDone = tally.images
      try await progress(done)
    }
    return CoverageReport(
      asOf: frame.at, head: frame.head, policyVersion: frame.policyVersion, images: tally.images,
      patients: tally.patients, rows: tally.sortedRows)
  }

  /// The images of one patient one by one, for the drill-down, by image key.
  public func coverage(
    of patient: PatientID, use: Use, audience: Audience, asOf: Instant? = nil,
    expiringDays: Int = 30
  ) async throws -> [CoveredImage] {
    let query = CoverageQuery(asOf: asOf, expiringDays: expiringDays)
    try query.validate()
    let frame = try await frame(asOf: asOf)
    return try await store.read(organization) { reader in
      let facts = try reader.facts(patients: [patient], asOf: frame.head.position)
      return facts.standingImages().filter { $0.patient == patient }.map { image in
        let coverage = probe(
          image: image.key, use: use, audience: audience, facts: facts, at: frame.at)
        return CoveredImage(
          image: image.key, patient: patient,
          standing: query.standing(of: coverage, at: frame.at), records: coverage.records,
          expiresAt: coverage.expiresAt)
      }
    }
  }

  /// The instant, the place in the feed and the size of the task, from one snapshot.
  private func frame(asOf: Instant?) async throws -> CoverageFrame {
    try await store.read(organization) { reader in
      let at = min(asOf ?? reader.now, reader.now)
      let position = asOf == nil ? reader.head.position : try reader.position(knownAt: at)
      guard let head = try reader.head(at: position) else {
        throw StoreError.unreadable("the feed does not hold a position it named")
      }
      let policy = try reader.organizationFacts(asOf: position).policy(at: at)
      var patients = 0
      var cursor: PatientID?
      while true {
        let page = try reader.patients(after: cursor, limit: 10_000)
        patients += page.count
        guard let last = page.last else { break }
        cursor = last
      }
      return CoverageFrame(
        at: at, head: head, policyVersion: policy.version, patients: patients)
    }
  }

  private func page(
    _ query: CoverageQuery, _ frame: CoverageFrame, after cursor: PatientID?,
    _ tally: CoverageTally
  ) async throws -> CoveragePage {
    try await store.read(organization) { reader in
      let patients = try reader.patients(after: cursor, limit: query.patientsPerPage)
      let facts = try reader.facts(patients: patients, asOf: frame.head.position)
      let images = Dictionary(grouping: facts.standingImages().filter(query.selects), by: \.patient)
      var tally = tally
      // An image that came along with a merge or as a source counts with its own patient.
      for patient in patients {
        try tally.add(
          (images[patient] ?? []).map { image in
            (image, query.standings(of: image, facts: facts, at: frame.at))
          })
      }
      return CoveragePage(tally: tally, last: patients.last, patients: patients.count)
    }
  }
}

private struct CoverageFrame: Sendable {
  var at: Instant
  var head: FeedHead
  var policyVersion: Int
  var patients: Int
}

private struct CoveragePage: Sendable {
  var tally: CoverageTally
  var last: PatientID?
  var patients: Int
}

extension CoverageQuery {
  func validate() throws(ReportError) {
    guard (0...36_525).contains(expiringDays) else { throw .outOfRange("expiring_days") }
    guard (1...10_000).contains(patientsPerPage) else { throw .outOfRange("patients_per_page") }
    guard maximumRows > 0 else { throw .outOfRange("maximum_rows") }
  }

  func standings(
    of image: ImageRecord, facts: Facts, at: Instant
  ) -> [(CoverageReport.Key, CoverageReport.Standing)] {
    uses.elements.flatMap { use in
      audiences.elements.map { audience in
        let coverage = probe(
          image: image.key, use: use, audience: audience, facts: facts, at: at)
        return (
          CoverageReport.Key(
            use: use, audience: audience, image: image, dimensions: dimensions),
          standing(of: coverage, at: at)
        )
      }
    }
  }

  func standing(of coverage: Coverage, at: Instant) -> CoverageReport.Standing {
    let horizon = at.adding(microseconds: Int64(expiringDays) * .microsecondsPerDay)
    return CoverageReport.Standing(
      coverageClass: coverage.coverageClass,
      isExpiring: coverage.coverageClass.isCovered
        && coverage.expiresAt.map { $0 <= horizon } ?? false)
  }
}
