import ConsentCore
import ConsentStore

/// Patients with a grant on a named event of the whole organization, found before the lock is
/// taken: looking through every patient would hold it for long.
struct GrantHolders: Sendable {
  let event: ID<ExpiryEvent>
  let found: [PatientID]
  /// What was recorded after it is looked at again.
  let position: UInt64

  /// Those, and every patient something was recorded of since.
  func patients(now reader: any FactReader) throws -> [PatientID] {
    var patients = Set(found)
    var last = position
    while true {
      let rows = try reader.feed(after: last, limit: 1_000)
      guard let end = rows.last else { break }
      patients.formUnion(rows.compactMap(\.event.patient))
      last = end.position
    }
    return patients.sorted()
  }
}

extension FactReader {
  func grantHolders(on event: ID<ExpiryEvent>) throws -> GrantHolders {
    let reference = RecordReference(kind: .expiryEvent, id: event.retyped())
    if let patient = try patient(of: reference) {
      return GrantHolders(event: event, found: [patient], position: head.position)
    }
    var found: [PatientID] = []
    var last: PatientID?
    while true {
      let page = try patients(after: last, limit: 100)
      guard let end = page.last else { break }
      let papers = try facts(patients: page, asOf: nil).instruments
      found += Set(
        papers.filter { $0.grants.contains { $0.expiry == .event(event) } }.map(\.patient))
      last = end
    }
    return GrantHolders(event: event, found: Set(found).sorted(), position: head.position)
  }
}
