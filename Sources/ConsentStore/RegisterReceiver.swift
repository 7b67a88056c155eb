public import ConsentCore

/// Takes a whole register in as `FactReader.readRegister` reads it: what most of it is comes piece
/// by piece, in the order of the requirements here; whoever has more recorded comes as facts.
///
/// What answers a Bool is `false` when it cannot take the patient's records so: whatever came of
/// the patient is forgotten, and comes again as facts.
public protocol RegisterReceiver: AnyObject {
  /// How many images it takes. Of a larger register it gets a part.
  var capacity: Int { get }

  /// - Parameters:
  ///   - organization: facts of no patient and no image.
  ///   - unplain: images of which more is recorded than one version; they come as facts.
  func begin(_ organization: Facts, unplain: [ImageKey])

  /// An image with one version and no source or mark.
  /// - Parameters:
  ///   - key: its text, in UTF-8.
  ///   - study: given, as the series, if some grant names it.
  func image(
    key: RawSpan, of patient: PatientID, kind: ImageKind, claims: IdentificationClaims,
    study: String?, series: String?, acquiredDay: LocalDay?, firstRecorded: Instant)

  /// Whether records of the patient are wanted: an image has come.
  func wants(_ patient: PatientID) -> Bool
  func patient(_ record: PatientRecord) -> Bool
  /// The grants of one paper come in their order.
  func grant(_ grant: Grant, of paper: InstrumentID, patient: PatientID) -> Bool
  /// - Parameters:
  ///   - paper: without its grants.
  ///   - count: of its grants.
  func paper(_ paper: Instrument, grants count: Int) -> Bool
  func revocation(_ revocation: Revocation) -> Bool
  func forget(_ patient: PatientID)

  /// - Parameter images: those it is about; `nil`: all in it.
  func facts(_ facts: Facts, images: [ImageKey]?)
}

extension FactReader {
  /// By pages of patients.
  public func readRegister(into receiver: any RegisterReceiver) throws {
    receiver.begin(try facts(images: [], asOf: nil), unplain: [])
    var cursor: PatientID?
    var left = receiver.capacity
    while left > 0 {
      let page = try patients(after: cursor, limit: 256)
      guard let last = page.last else { return }
      let facts = try facts(patients: page, asOf: nil)
      receiver.facts(facts, images: nil)
      left -= Set(facts.images.map(\.key)).count
      cursor = last
    }
  }
}
