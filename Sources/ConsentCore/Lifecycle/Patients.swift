extension ChangeBuilder {
  public func registerPatient(_ patient: PatientRecord) throws(CommandRefusal) -> Change {
    if facts.patients.contains(where: { $0.id == patient.id }) {
      throw .notAllowed(rule: "records", description: "the patient is registered already")
    }
    if patient.version != 1 {
      throw .invalid([FieldViolation("patient.version", "begin with version 1")])
    }
    return simpleChange(.patient(patient), .patientRegistered, patient: patient.id)
  }

  /// A new version. A corrected birth date may bring back grants that had ended at the wrong day.
  public func updatePatient(_ patient: PatientRecord) throws(CommandRefusal) -> Change {
    let latest = facts.patients.filter { $0.id == patient.id }.map(\.version).max()
    guard let latest else {
      throw .invalid([FieldViolation("patient.id", "register the patient first")])
    }
    if patient.version != latest + 1 {
      throw .invalid([FieldViolation("patient.version", "must follow the latest version")])
    }
    let record = Record.patient(patient)
    var change = simpleChange(record, .patientCorrected, patient: patient.id)
    appendReinstatements(to: &change, after: facts(after: record))
    return change
  }

  public func mergePatients(_ merge: PatientMerge) throws(CommandRefusal) -> Change {
    try requirePatient(merge.survivor, field: "merge.survivor")
    try requirePatient(merge.merged, field: "merge.merged")
    let persons = Persons(facts: facts, errors: errors, at: clock.now)
    if persons.areSame(merge.survivor, merge.merged) {
      throw .invalid([FieldViolation("merge.merged", "the two are one person already")])
    }
    return simpleChange(.merge(merge), .patientsMerged, patient: merge.survivor)
  }

  /// Undoes a merge, or assigns further records after one.
  public func unmergePatients(_ unmerge: PatientUnmerge) throws(CommandRefusal) -> Change {
    guard let merge = facts.merges.first(where: { $0.id == unmerge.merge }),
      !errors.contains(.merge, merge.id)
    else { throw .unknownRecord(RecordReference(kind: .merge, id: unmerge.merge.retyped())) }
    let links = facts.merges
      .filter { !errors.contains(.merge, $0.id) }
      .map { ($0.survivor, $0.merged) }
    let members = connected(to: [merge.survivor], by: links)
    var found: [FieldViolation] = []
    for (index, assignment) in unmerge.assignments.enumerated()
    where !members.contains(assignment.patient) {
      found.append(
        FieldViolation("unmerge.assignments[\(index)].patient", "name a member of the merge"))
    }
    try refuse(found)
    return simpleChange(.unmerge(unmerge), .patientsUnmerged, patient: merge.survivor)
  }

  /// Only what comes back: what ends by a corrected day ends by the clock, with `dueEnds`.
  private func appendReinstatements(to change: inout Change, after: IndexedFacts) {
    var turns = Change()
    appendTurns(to: &turns, after: after, kind: .grantExpired)
    change.events += turns.events
  }
}
