/// Everything one request needs of the facts, gathered once; `Moment` reads it at an instant.
final class CaseFile {
  let request: CheckRequest
  let caller: CallerLimits
  let facts: Facts
  let errors: EnteredErrors
  /// `nil`: incomplete.
  let question: Question?
  /// `nil`: no record of the image stands.
  let lineage: Lineage?
  /// The patients of the lineage and every registration ever merged with them.
  let kin: Set<PatientID>
  /// The versions that speak of the kin.
  let patients: [PatientID: PatientRecord]
  let lines: [Line]

  convenience init(_ request: CheckRequest, caller: CallerLimits, facts: Facts) {
    let errors = EnteredErrors(facts.enteredInError)
    self.init(
      request, caller: caller, facts: facts, errors: errors,
      lineage: Lineage(of: request.image) { facts.currentImage($0, errors: errors) })
  }

  convenience init(_ request: CheckRequest, caller: CallerLimits, in known: IndexedFacts) {
    self.init(
      request, caller: caller, facts: known.facts, errors: known.errors,
      lineage: Lineage(of: request.image, in: known))
  }

  private init(
    _ request: CheckRequest, caller: CallerLimits, facts: Facts, errors: EnteredErrors,
    lineage: Lineage?
  ) {
    self.request = request
    self.caller = caller
    self.facts = facts
    self.errors = errors
    self.lineage = lineage
    question = Question(request)
    let links = facts.merges
      .filter { !errors.contains(.merge, $0.id) }
      .map { ($0.survivor, $0.merged) }
    kin = connected(to: Set(lineage?.images.map(\.patient) ?? []), by: links)
    var patients: [PatientID: PatientRecord] = [:]
    for patient in kin { patients[patient] = facts.currentPatient(patient, errors: errors) }
    self.patients = patients
    lines =
      lineage.map {
        [kin] in Line.gather(facts: facts, errors: errors, lineage: $0, kin: kin)
      } ?? []
  }

  /// The same facts asked another way: what was gathered holds for any question on the image.
  init(_ other: CaseFile, asking request: CheckRequest) {
    self.request = request
    caller = other.caller
    facts = other.facts
    errors = other.errors
    lineage = other.lineage
    question = Question(request)
    kin = other.kin
    patients = other.patients
    lines = other.lines
  }
}
