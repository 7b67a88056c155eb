/// A case at an instant: the ladder's rungs are extensions of it, one file each.
struct Moment {
  let file: CaseFile
  let at: Instant
  private let policyVersion: PolicyVersion
  let persons: Persons
  /// Whose each image of the lineage is; several while a record made in a merge is not assigned.
  let holders: [[PatientID]]
  /// Leaves out what other members of a merged person restrict; see `MergeRule`.
  var ownMemberOnly = false

  init(_ file: CaseFile, at: Instant) {
    self.file = file
    self.at = at
    policyVersion = file.image.policyInForce(at: at)
    guard file.image.wasMerged else {
      persons = Persons()
      holders = file.image.ownHolders
      return
    }
    persons = Persons(facts: file.facts, errors: file.errors, at: at)
    holders = (file.lineage?.images ?? []).map { [persons] image in
      persons.holders(record: image.recordID, patient: image.patient, stamp: image.stamp)
    }
  }

  var policy: Policy { policyVersion.policy }

  /// Whose a paper is.
  func holders(of paper: Instrument) -> [PatientID] {
    persons.holders(record: paper.id.retyped(), patient: paper.patient, stamp: paper.stamp)
  }

  // MARK: What the clock makes of a line

  /// The first revocation that binds.
  func revocation(of line: Line) -> Revocation? {
    guard !line.revocations.isEmpty else { return nil }
    return line.revocations
      .filter { binds($0, line) }
      .min { ($0.stamp.recorded, $0.id) < ($1.stamp.recorded, $1.id) }
  }

  /// An oral one binds by policy; what a minor lawfully signed alone a parent cannot revoke; and
  /// one that may be one of several persons' ends a permit but no deny.
  private func binds(_ revocation: Revocation, _ line: Line) -> Bool {
    if revocation.method == .oral, !policy.oralRevocationBinds { return false }
    if revocation.signer.capacity.restsOnMinority, line.paper.signer.capacity.isMinorAlone {
      return false
    }
    return line.isPermit
      || persons.holders(
        record: revocation.id.retyped(), patient: revocation.patient, stamp: revocation.stamp
      ).count == 1
  }

  func isRevoked(_ line: Line) -> Bool {
    guard !line.revocations.isEmpty, let revocation = revocation(of: line) else { return false }
    return revocation.stamp.recorded <= at
  }

  /// A deny in effect. Defects never weaken it, and an end that cannot be evaluated ends nothing.
  func stands(_ line: Line) -> Bool {
    guard line.grant.effectiveFrom <= at, !isRevoked(line) else { return false }
    if let end = line.endsByDate, end <= at { return false }
    if let end = line.endsByEvent, end != .distantPast, end <= at { return false }
    if line.grant.expiry == .majority, let end = majority(of: line), end <= at { return false }
    if let end = line.restrictionEnded, end <= at { return false }
    return true
  }

  /// When the individual a paper speaks for comes of age, or whoever of several comes last;
  /// `nil` if that is unknown.
  func majority(of line: Line) -> Instant? {
    var latest: Instant?
    for holder in holders(of: line.paper) {
      guard let majority = file.patients[holder]?.majority else { return nil }
      latest = max(latest ?? majority, majority)
    }
    return latest
  }

  func patient(of line: Line) -> PatientRecord? {
    let papers = holders(of: line.paper)
    return papers.count == 1 ? file.patients[papers[0]] : nil
  }

  // MARK: Whose images a line reaches

  /// Images a deny line reaches: those of every registration of its person.
  func reach(ofDeny line: Line) -> [Int] {
    let papers = holders(of: line.paper)
    let wholePatient = line.grant.scope == .patient
    return line.described.filter { index in
      holders[index].contains { image in
        papers.contains { paper in
          wholePatient && ownMemberOnly ? paper == image : persons.areSame(paper, image)
        }
      }
    }
  }

  /// Whether a permit line speaks of an image: its own registration's for a patient-wide permit,
  /// the same person's otherwise. A record that may be one of several persons' permits nothing.
  func belongs(_ line: Line, to index: Int) -> Bool {
    if persons.areAllApart {
      return line.isOfAllHeld || line.paper.patient == file.lineage?.images[index].patient
    }
    let papers = holders(of: line.paper)
    guard papers.count == 1, holders[index].count == 1 else { return false }
    return line.grant.scope == .patient
      ? papers[0] == holders[index][0] : persons.areSame(papers[0], holders[index][0])
  }
}
