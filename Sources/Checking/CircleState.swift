internal import ConsentCore

/// Whose facts some images share: everybody whom they belong or belonged to, and all ever merged
/// with these.
enum CirclePatients: Equatable {
  /// The image is not registered.
  case nobody
  case one(PatientID)
  case several([PatientID])

  init(_ patients: [PatientID]) {
    self = patients.isEmpty ? .nobody : patients.count == 1 ? .one(patients[0]) : .several(patients)
  }

  var all: [PatientID] {
    switch self {
    case .nobody: []
    case .one(let patient): [patient]
    case .several(let patients): patients
    }
  }

  var only: PatientID? { if case .one(let patient) = self { patient } else { nil } }
}

/// The facts of a circle's patients.
enum CirclePapers {
  case packed([UInt8])
  case whole(WholePapers)
}

final class WholePapers: Sendable {
  let facts: Facts

  init(_ facts: Facts) { self.facts = facts }
}

/// A circle of the index, in 48 bytes where its images are plain and nothing rare is recorded.
struct CircleState {
  var patients: CirclePatients
  /// The first of its rows.
  var first = ImageTable.none
  var papers: CirclePapers
  /// None or one: what few circles have.
  private var rest: [Rest] = []
  /// The row whose case was made last: those of the others are mostly like it.
  var preparedLast = ImageTable.none
  /// In the index's order of circles.
  var place: UInt32

  struct Rest {
    /// The images that are not plain.
    var whole: [ImageDigest: FactPart.Image] = [:]
    /// Forms with studies and series that a paper names.
    var forms: [NamedForm] = []
    var sources: Set<ImageDigest> = []
  }

  init(patients: CirclePatients, papers: CirclePapers, place: UInt32) {
    self.patients = patients
    self.papers = papers
    self.place = place
  }

  func whole(_ digest: ImageDigest) -> FactPart.Image? { rest.first?.whole[digest] }

  var sources: Set<ImageDigest> { rest.first?.sources ?? [] }

  mutating func keep(_ image: FactPart.Image, _ digest: ImageDigest) {
    withRest { $0.whole[digest] = image }
  }

  mutating func insert(source: ImageDigest) { withRest { _ = $0.sources.insert(source) } }

  /// By number, as a row has it.
  /// - Parameter papers: of this circle: the UIDs are in them.
  func form(_ number: UInt16, named papers: [Instrument]) -> ImageForm? {
    if let plain = ImageForm(unnamed: number) { return plain }
    let place = Int(number) - ImageForm.unnamedCount
    guard let forms = rest.first?.forms, forms.indices.contains(place) else { return nil }
    return forms[place].form(papers)
  }

  /// - Returns: `nil` when it can have no more.
  mutating func number(of form: ImageForm) -> UInt16? {
    if let number = form.unnamedNumber { return number }
    guard let form = NamedForm(form) else { return nil }
    return withRest { rest in
      if let known = rest.forms.firstIndex(of: form) {
        return UInt16(known + ImageForm.unnamedCount)
      }
      guard rest.forms.count + ImageForm.unnamedCount < Int(ImageTable.whole) else { return nil }
      rest.forms.append(form)
      return UInt16(rest.forms.count - 1 + ImageForm.unnamedCount)
    }
  }

  private mutating func withRest<Result>(_ body: (inout Rest) -> Result) -> Result {
    if rest.isEmpty { rest = [Rest()] }
    return body(&rest[0])
  }
}

/// A form with a study or a series, by hashes of their UIDs: what matters of these is whether a paper
/// of the circle names them, and the paper has them in full.
struct NamedForm: Hashable {
  private var unnamed: UInt16
  private var study: UInt64?
  private var series: UInt64?

  private static let key = UInt64.random(in: .min ... .max)

  private static func hash(_ uid: String) -> UInt64 {
    var hasher = Hasher()
    hasher.combine(key)
    hasher.combine(uid)
    return UInt64(bitPattern: Int64(hasher.finalize()))
  }

  /// - Returns: `nil` if there is neither.
  init?(_ form: ImageForm) {
    guard form.study != nil || form.series != nil,
      let unnamed = ImageForm(kind: form.kind, claims: form.claims).unnamedNumber
    else { return nil }
    self.unnamed = unnamed
    study = form.study.map(Self.hash)
    series = form.series.map(Self.hash)
  }

  func form(_ papers: [Instrument]) -> ImageForm? {
    guard var form = ImageForm(unnamed: unnamed) else { return nil }
    for grant in papers.lazy.flatMap(\.grants) {
      switch grant.scope {
      case .study(let uid): if form.study == nil, Self.hash(uid) == study { form.study = uid }
      case .series(let uid): if form.series == nil, Self.hash(uid) == series { form.series = uid }
      case .image, .patient: break
      }
    }
    return form
  }
}

extension ImageForm {
  /// Forms without a study or series: so many that each has a number of its own everywhere.
  static let unnamedCount = ImageKind.allCases.count * 27

  var unnamedNumber: UInt16? {
    guard study == nil, series == nil else { return nil }
    let claims = [
      claims.identityRemoved, claims.burnedInAnnotation, claims.recognizableVisualFeatures,
    ]
    return claims.reduce(UInt16(kind.rawValue) - 1) { $0 * 3 + UInt16($1.rawValue) - 1 }
  }

  init?(unnamed number: UInt16) {
    guard Int(number) < Self.unnamedCount else { return nil }
    func claim(_ place: UInt16) -> Claim? { Claim(rawValue: UInt8(number / place % 3) + 1) }
    guard let kind = ImageKind(rawValue: UInt8(number / 27) + 1), let first = claim(9),
      let second = claim(3), let third = claim(1)
    else { return nil }
    self.init(
      kind: kind,
      claims: IdentificationClaims(
        identityRemoved: first, burnedInAnnotation: second, recognizableVisualFeatures: third))
  }
}
