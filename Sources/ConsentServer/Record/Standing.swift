import ConsentCore

/// Which records stand: those that were not entered in error.
struct Standing {
  private let facts: Facts
  private let targets: Set<RecordReference>
  private let currentImages: [ImageKey: ImageRecord]

  init(_ facts: Facts) {
    self.facts = facts
    // A statement of error may itself be entered in error; its target then stands again.
    var stands: [RecordReference: Bool] = [:]
    let byTarget = Dictionary(grouping: facts.enteredInError, by: \.target)
    func isWithdrawn(_ reference: RecordReference, below depth: Int) -> Bool {
      if let known = stands[reference] { return !known }
      // Each statement is younger than its target, so a chain is never longer than their number.
      guard depth <= facts.enteredInError.count, let statements = byTarget[reference] else {
        return false
      }
      let isWithdrawn = statements.contains { statement in
        !isWithdrawnStatement(statement, below: depth + 1)
      }
      stands[reference] = !isWithdrawn
      return isWithdrawn
    }
    func isWithdrawnStatement(_ statement: EnteredInError, below depth: Int) -> Bool {
      isWithdrawn(
        RecordReference(kind: .enteredInError, id: statement.id.retyped()), below: depth)
    }
    let targets = Set(byTarget.keys.filter { isWithdrawn($0, below: 0) })
    self.targets = targets
    var current: [ImageKey: ImageRecord] = [:]
    for image in facts.images
    where image.version > current[image.key]?.version ?? 0
      && !targets.contains(Record.image(image).reference)
    {
      current[image.key] = image
    }
    currentImages = current
  }

  func contains(_ reference: RecordReference) -> Bool { !targets.contains(reference) }

  func contains(_ record: Record) -> Bool { contains(record.reference) }

  /// The version of an image that speaks.
  func image(_ key: ImageKey) -> ImageRecord? { currentImages[key] }

  /// The version of a patient that speaks.
  func patient(_ id: PatientID) -> PatientRecord? {
    facts.patients
      .filter { $0.id == id && contains(Record.patient($0)) }
      .max { $0.version < $1.version }
  }

  /// Merges that hold: neither undone nor entered in error.
  var merges: [PatientMerge] {
    let undone = Set(facts.unmerges.filter { contains(Record.unmerge($0)) }.map(\.merge))
    return facts.merges.filter { contains(Record.merge($0)) && !undone.contains($0.id) }
  }

  /// The registrations that are one person with `patient` now, itself included.
  func members(of patient: PatientID) -> Set<PatientID> {
    var members: Set<PatientID> = [patient]
    let merges = merges
    var grew = true
    while grew {
      grew = false
      for merge in merges where members.contains(merge.survivor) != members.contains(merge.merged) {
        members.formUnion([merge.survivor, merge.merged])
        grew = true
      }
    }
    return members
  }
}
