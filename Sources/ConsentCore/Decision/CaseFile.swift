/// One request beside everything that the facts say of its image; `Moment` reads it at an instant.
final class CaseFile {
  let request: CheckRequest
  let caller: CallerLimits
  /// `nil`: incomplete.
  let question: Question?
  let image: ImageCase
  /// The feed position that the facts are known to stand at.
  let position: UInt64

  /// INVARIANT: a request is never answered from another image's facts; it would be told that its
  /// image is unknown.
  init(_ request: CheckRequest, caller: CallerLimits, on image: ImageCase, position: UInt64) {
    self.request = request
    self.caller = caller
    self.image =
      request.image == image.key ? image : ImageCase(request.image, facts: Facts())
    self.position = position
    question = Question(request)
  }

  convenience init(_ request: CheckRequest, caller: CallerLimits, facts: Facts) {
    self.init(
      request, caller: caller, on: ImageCase(request.image, facts: facts),
      position: facts.position)
  }

  convenience init(_ request: CheckRequest, caller: CallerLimits, in known: IndexedFacts) {
    self.init(
      request, caller: caller, on: ImageCase(request.image, in: known),
      position: known.facts.position)
  }

  /// The same facts asked another way.
  convenience init(_ other: CaseFile, asking request: CheckRequest) {
    self.init(request, caller: other.caller, on: other.image, position: other.position)
  }

  var facts: Facts { image.facts }
  var errors: EnteredErrors { image.errors }
  var lineage: Lineage? { image.lineage }
  var patients: [PatientID: PatientRecord] { image.patients }
  var lines: [Line] { image.lines }
}
