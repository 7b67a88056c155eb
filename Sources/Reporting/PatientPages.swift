internal import ConsentCore
internal import ConsentStore

extension FactReader {
  /// Calls `body` with the facts of all patients, page by page, from this one snapshot.
  func forEachPatientPage(
    only patient: PatientID? = nil, pageSize: Int = 16,
    _ body: (Set<PatientID>, Facts) throws -> Void
  ) throws {
    if let patient {
      return try body([patient], facts(patients: [patient], asOf: nil))
    }
    var cursor: PatientID?
    while true {
      let page = try patients(after: cursor, limit: pageSize)
      guard let last = page.last else { return }
      cursor = last
      try body(Set(page), facts(patients: page, asOf: nil))
    }
  }
}
