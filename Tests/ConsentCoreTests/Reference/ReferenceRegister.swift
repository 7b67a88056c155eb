import ConsentCore

/// The register at one instant: records entered in error taken away, the policy in force and the
/// merges in force known.
struct ReferenceRegister {
  let facts: Facts
  let at: Instant
  let policy: Policy
  /// Every line of every paper.
  private(set) var lines: [ReferenceLine] = []

  init(_ all: Facts, at: Instant) {
    let facts = all.withoutRecordsEnteredInError
    self.facts = facts
    self.at = at
    policy =
      facts.policies.filter { $0.effective <= at }.max { $0.version < $1.version } ?? Policy()
    lines = facts.instruments.flatMap { instrument in
      let owners = owners(
        of: instrument.id.retyped(), filedUnder: instrument.patient,
        position: instrument.stamp.position)
      return instrument.grants.map {
        ReferenceLine(
          instrument: instrument, grant: $0, restricts: owners.restricts, permits: owners.permits)
      }
    }
  }

  /// The version that speaks: the highest number that was not entered in error.
  func image(_ key: ImageKey) -> ImageRecord? {
    facts.images.filter { $0.key == key }.max { $0.version < $1.version }
  }

  /// The image's patient; a version recorded while patients were merged belongs to the member it
  /// was assigned to, and until then both restrict it and neither permits it.
  func owners(of image: ImageRecord) -> (restricts: Set<PatientID>, permits: Set<PatientID>) {
    owners(of: image.recordID, filedUnder: image.patient, position: image.stamp.position)
  }

  /// `nil`: unknown. Where it is not yet assigned which of several patients is meant, the last of
  /// their days is the one from which all are of age.
  func majority(of patients: Set<PatientID>) -> Instant? {
    let days = patients.map { patient in
      facts.patients.filter { $0.id == patient }.max { $0.version < $1.version }?.majority
    }
    return days.contains(nil) ? nil : days.compactMap(\.self).max()
  }

  // MARK: Merges

  /// Unmerges count from their recording, like the merges they undo.
  private var unmergesInForce: [(unmerge: PatientUnmerge, merge: PatientMerge)] {
    facts.unmerges.filter { $0.stamp.recorded <= at }.flatMap { unmerge in
      facts.merges.filter { $0.id == unmerge.merge }.map { (unmerge, $0) }
    }
  }

  private var mergesInForce: [PatientMerge] {
    facts.merges.filter { merge in
      merge.stamp.recorded <= at
        && !unmergesInForce.contains { $0.merge.id == merge.id }
    }
  }

  /// All members of the merged patients that these are of, themselves included.
  func members(with patients: Set<PatientID>) -> Set<PatientID> {
    var members = patients
    for _ in mergesInForce {
      for merge in mergesInForce
      where members.contains(merge.survivor) || members.contains(merge.merged) {
        members.insert(merge.survivor)
        members.insert(merge.merged)
      }
    }
    return members
  }

  /// Whose images a record may restrict, and whose it may permit: "records made while merged are
  /// assigned at unmerge, and until then restrict both and permit neither."
  func owners(of record: RecordID, filedUnder patient: PatientID, position: UInt64) -> (
    restricts: Set<PatientID>, permits: Set<PatientID>
  ) {
    var owner = patient
    var unassigned: Set<PatientID> = []
    for merge in facts.merges {
      let unmerges = unmergesInForce.filter { $0.merge.id == merge.id }.map(\.unmerge)
        .sorted { $0.stamp.position < $1.stamp.position }
      // Merged until the first of the unmerges; the others may bring further assignments.
      guard let first = unmerges.first, isOne(patient, with: merge, at: position),
        position > merge.stamp.position, position < first.stamp.position
      else { continue }
      if let assignment = unmerges.flatMap(\.assignments).last(where: { $0.record == record }) {
        owner = assignment.patient
      } else {
        unassigned.formUnion([merge.survivor, merge.merged])
      }
    }
    return unassigned.isEmpty ? ([owner], [owner]) : (unassigned.union([owner]), [])
  }

  /// Whether a patient was one person with the two of a merge when a record got its position.
  private func isOne(_ patient: PatientID, with merge: PatientMerge, at position: UInt64) -> Bool {
    let merges = facts.merges.filter { other in
      other.stamp.position < position
        && !facts.unmerges.contains {
          $0.merge == other.id && $0.stamp.position < position
        }
    }
    var members: Set = [merge.survivor, merge.merged]
    for _ in merges {
      for other in merges
      where members.contains(other.survivor) || members.contains(other.merged) {
        members.insert(other.survivor)
        members.insert(other.merged)
      }
    }
    return members.contains(patient)
  }
}

/// One line of one paper, with whose images it may speak of.
struct ReferenceLine {
  var instrument: Instrument
  var grant: Grant
  var restricts: Set<PatientID>
  var permits: Set<PatientID>

  var signed: SignedTime { instrument.signedOrReceived }
}

extension Facts {
  /// A record entered in error was never valid; a record that enters another in error may itself
  /// have been entered in error.
  var withoutRecordsEnteredInError: Facts {
    func gone(_ kind: RecordKind, _ id: RecordID) -> Bool {
      enteredInError.contains { mistake in
        mistake.target == RecordReference(kind: kind, id: id)
          && !gone(.enteredInError, mistake.id.retyped())
      }
    }
    if enteredInError.isEmpty { return self }
    var left = self
    left.policies.removeAll { gone(.policy, $0.recordID) }
    left.patients.removeAll { gone(.patient, $0.recordID) }
    left.merges.removeAll { gone(.merge, $0.id.retyped()) }
    left.unmerges.removeAll { gone(.unmerge, $0.id.retyped()) }
    left.images.removeAll { gone(.image, $0.recordID) }
    left.forms.removeAll { gone(.form, $0.recordID) }
    left.instruments.removeAll { gone(.instrument, $0.id.retyped()) }
    left.revocations.removeAll { gone(.revocation, $0.id.retyped()) }
    left.falseInformation.removeAll { gone(.falseInformation, $0.id.retyped()) }
    left.authorityEvidence.removeAll { gone(.authorityEvidence, $0.id.retyped()) }
    left.restrictionEnds.removeAll { gone(.restrictionEnd, $0.id.retyped()) }
    left.expiryEvents.removeAll { gone(.expiryEvent, $0.id.retyped()) }
    left.expiryEventResolutions.removeAll { gone(.expiryEventResolution, $0.id.retyped()) }
    left.determinations.removeAll { gone(.determination, $0.id.retyped()) }
    left.determinationWithdrawals.removeAll { gone(.determinationWithdrawal, $0.id.retyped()) }
    left.unevaluable.removeAll { gone($0.reference.kind, $0.reference.id) }
    return left
  }
}
