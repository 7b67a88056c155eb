/// Which registrations are one person at an instant, and whose a record is.
///
/// A merge joins from its recording; its unmerge parts from its own. A record made in between is
/// its assigned member's; one that was not assigned may be anybody's of them.
struct Persons {
  private struct Split {
    let merge: PatientMerge
    let ended: Stamp
    let members: Set<PatientID>
    let assignments: [RecordID: PatientID]
  }

  private let joined: [(PatientID, PatientID)]
  private let splits: [Split]

  /// Nobody was ever merged.
  init() {
    joined = []
    splits = []
  }

  init(facts: Facts, errors: EnteredErrors, at: Instant) {
    guard !facts.merges.isEmpty else {
      joined = []
      splits = []
      return
    }
    let merges = facts.merges.filter { !errors.contains(.merge, $0.id) }
    let unmerges = facts.unmerges
      .filter { $0.stamp.recorded <= at && !errors.contains(.unmerge, $0.id) }
      .sorted { $0.stamp.precedes($1.stamp) }
    func end(of merge: PatientMerge) -> Stamp? {
      unmerges.first { $0.merge == merge.id }?.stamp
    }
    joined =
      merges
      .filter { $0.stamp.recorded <= at && end(of: $0) == nil }
      .map { ($0.survivor, $0.merged) }
    splits = merges.compactMap { merge in
      guard merge.stamp.recorded <= at, let ended = end(of: merge) else { return nil }
      let then = merges.filter { other in
        other.stamp.precedes(ended)
          && (end(of: other).map { !$0.precedes(ended) } ?? true)
      }
      var assignments: [RecordID: PatientID] = [:]
      for unmerge in unmerges where unmerge.merge == merge.id {
        for assignment in unmerge.assignments {
          assignments[assignment.record] = assignment.patient
        }
      }
      return Split(
        merge: merge, ended: ended,
        members: connected(to: [merge.survivor], by: then.map { ($0.survivor, $0.merged) }),
        assignments: assignments)
    }
  }

  /// Nobody was ever merged: every record is its own patient's.
  var areAllApart: Bool { joined.isEmpty && splits.isEmpty }

  func areSame(_ a: PatientID, _ b: PatientID) -> Bool {
    if a == b { return true }
    return !joined.isEmpty && connected(to: [a], by: joined).contains(b)
  }

  /// One name for all registrations of a person.
  func person(_ patient: PatientID) -> PatientID {
    joined.isEmpty ? patient : connected(to: [patient], by: joined).min() ?? patient
  }

  /// Whose a record is: one patient, or several while it is not assigned.
  func holders(record: RecordID, patient: PatientID, stamp: Stamp) -> [PatientID] {
    guard !splits.isEmpty else { return [patient] }
    var possible: Set<PatientID> = []
    for split in splits
    where split.members.contains(patient) && split.merge.stamp.precedes(stamp)
      && stamp.precedes(split.ended)
    {
      if let assigned = split.assignments[record] { return [assigned] }
      possible.formUnion(split.members)
    }
    return possible.isEmpty ? [patient] : possible.sorted()
  }
}

extension Stamp {
  /// Positions order records; instants only where no position was given yet.
  func precedes(_ other: Stamp) -> Bool {
    (position, recorded) < (other.position, other.recorded)
  }
}

func connected(to start: Set<PatientID>, by links: [(PatientID, PatientID)]) -> Set<PatientID> {
  var found = start
  var grew = !links.isEmpty
  while grew {
    grew = false
    for (a, b) in links where found.contains(a) != found.contains(b) {
      found.formUnion([a, b])
      grew = true
    }
  }
  return found
}
