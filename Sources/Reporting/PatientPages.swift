internal import ConsentCore
internal import ConsentStore

extension Reports {
  /// The place in the feed and the instant a report is taken at.
  func moment() async throws -> (head: FeedHead, at: Instant) {
    try await store.read(organization) { ($0.head, $0.now) }
  }

  /// Joins what `body` finds in the facts of each page of patients, as known at `position`.
  ///
  /// Each page is a snapshot of its own: a report on the whole register holds none for long, and
  /// ends between two pages when its task is cancelled.
  /// - Parameter patient: only this one's facts.
  func collect<Found: Sendable>(
    asOf position: UInt64, only patient: PatientID? = nil, pageSize: Int = 16,
    _ body: @Sendable @escaping (any FactReader, Set<PatientID>, Facts) throws -> [Found]
  ) async throws -> [Found] {
    var found: [Found] = []
    var cursor: PatientID?
    while true {
      try Task.checkCancellation()
      let page = try await store.read(organization) { [cursor] reader in
        let patients =
          try patient.map { [$0] } ?? reader.patients(after: cursor, limit: pageSize)
        guard let last = patients.last else { return PatientPage<Found>(found: [], last: nil) }
        let facts = try reader.facts(patients: patients, asOf: position)
        return PatientPage(found: try body(reader, Set(patients), facts), last: last)
      }
      found += page.found
      guard patient == nil, let last = page.last else { return found }
      cursor = last
    }
  }
}

private struct PatientPage<Found: Sendable>: Sendable {
  var found: [Found]
  var last: PatientID?
}
