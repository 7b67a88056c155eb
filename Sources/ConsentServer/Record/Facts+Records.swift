import ConsentCore
import ConsentStore

extension Facts {
  /// Every record among these facts, kind by kind.
  var records: [Record] {
    var all: [Record] = []
    all += patients.map(Record.patient)
    all += merges.map(Record.merge)
    all += unmerges.map(Record.unmerge)
    all += images.map(Record.image)
    all += forms.map(Record.form)
    all += instruments.map(Record.instrument)
    all += revocations.map(Record.revocation)
    all += enteredInError.map(Record.enteredInError)
    all += falseInformation.map(Record.falseInformation)
    all += authorityEvidence.map(Record.authorityEvidence)
    all += restrictionEnds.map(Record.restrictionEnd)
    all += expiryEvents.map(Record.expiryEvent)
    all += expiryEventResolutions.map(Record.expiryEventResolution)
    all += determinations.map(Record.determination)
    all += determinationWithdrawals.map(Record.determinationWithdrawal)
    all += policies.map(Record.policy)
    return all
  }

  /// These facts and those of `other`, of the same position; what is in both is in once.
  func joined(with other: Facts) -> Facts {
    var joined = self
    var known = Set(records.map(\.reference))
    for record in other.records where known.insert(record.reference).inserted {
      joined.insert(record)
    }
    joined.position = max(position, other.position)
    joined.organizationHoldsPart2 = organizationHoldsPart2 || other.organizationHoldsPart2
    let unreadable = Set(unevaluable)
    joined.unevaluable += other.unevaluable.filter { !unreadable.contains($0) }
    return joined
  }
}

extension Record {
  var reference: RecordReference { RecordReference(kind: kind, id: id) }
}

extension FactReader {
  /// The facts of patients and images together.
  func facts(patients: [PatientID], images: [ImageKey]) throws -> Facts {
    let own = try facts(patients: patients, asOf: nil)
    let known = Set(own.images.map(\.key))
    let others = images.filter { !known.contains($0) }
    guard !others.isEmpty else { return own }
    return own.joined(with: try facts(images: others, asOf: nil))
  }

  /// The facts of patients with named expiry events that none of their papers refers to yet.
  func facts(patients: [PatientID], events: Set<ID<ExpiryEvent>>) throws -> Facts {
    let own = try facts(patients: patients, asOf: nil)
    guard !events.isSubset(of: Set(own.expiryEvents.map(\.id))) else { return own }
    return own.joined(with: try organizationFacts(asOf: nil))
  }

  /// The facts that a record belongs to.
  /// - Throws: NOT_FOUND if there is no such record in this organization.
  func facts(of reference: RecordReference) throws -> Facts {
    let facts =
      if let patient = try patient(of: reference) {
        try facts(patients: [patient], asOf: nil)
      } else {
        try organizationFacts(asOf: nil)
      }
    guard facts.find(reference) != nil else {
      throw ServiceError.notFound(kind: reference.kind.name, name: reference.id.description)
    }
    return facts
  }
}

extension Change {
  /// Both changes as one.
  mutating func append(_ other: Change) {
    let offset = events.count
    events += other.events
    records += other.records.map { ($0.record, $0.event + offset) }
    ends += other.ends
  }
}
