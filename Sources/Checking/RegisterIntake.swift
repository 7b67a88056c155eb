internal import ConsentCore
internal import ConsentStore

/// Makes an index of a register as it is read.
///
/// Papers come in the order in which they lie in the database, so what belongs to one patient is
/// gathered here: packed at once, in one stretch of bytes, each piece with the place of the one
/// before it of the same paper or patient.
final class RegisterIntake: RegisterReceiver {
  private(set) var index: FactIndex
  private var unplain: Set<ImageDigest> = []
  private var last: (patient: PatientID, circle: CircleID)?
  private var lines = Chains()
  private var lastLine: [InstrumentID: UInt32] = [:]
  private var pieces = Chains()
  /// By circle.
  private var lastPiece: ContiguousArray<UInt32> = []

  /// - Parameters:
  ///   - head: of the snapshot that is read.
  ///   - settings: as read in it.
  init(_ empty: FactIndex, at head: FeedHead, _ settings: OrganizationSettings) {
    index = empty
    index.applied = head
    index.settings = settings
  }

  var capacity: Int { max(0, index.limit - index.count) }

  func begin(_ organization: Facts, unplain: [ImageKey]) {
    index.rules = FactSplit(organization).rules
    self.unplain = Set(unplain.map(ImageDigest.init))
  }

  func image(
    key: RawSpan, of patient: PatientID, kind: ImageKind, claims: IdentificationClaims,
    study: String?, series: String?, acquiredDay: LocalDay?, firstRecorded: Instant
  ) {
    // An image on the one day that a row cannot hold is read when it is asked for.
    guard acquiredDay != ImageTable.Row.noDay, let digest = ImageDigest(text: key),
      unplain.isEmpty || !unplain.contains(digest)
    else { return }
    let circle = circle(for: patient)
    var row = ImageTable.Row(digest: digest, circle: circle)
    row.acquiredDay = acquiredDay
    row.firstRecorded = firstRecorded
    let form = ImageForm(kind: kind, claims: claims, study: study, series: series)
    index.insert(row, index.deviation.isOn(.forgetScopes) ? form.unnamed : form, in: circle)
  }

  /// Images of one patient mostly lie beside each other.
  private func circle(for patient: PatientID) -> CircleID {
    if let last, last.patient == patient { return last.circle }
    let circle = index.circle(of: patient) ?? index.add(.one(patient), .packed([]))
    last = (patient, circle)
    return circle
  }

  func wants(_ patient: PatientID) -> Bool { index.circle(of: patient) != nil }

  func patient(_ record: PatientRecord) -> Bool {
    take(record.id) { packed in
      index.forms.append(record, to: &packed)
      return true
    }
  }

  func grant(_ grant: Grant, of paper: InstrumentID, patient: PatientID) -> Bool {
    var packed = PackedBytes()
    guard index.forms.append(grant, to: &packed),
      let number = lines.append(packed.bytes, after: lastLine[paper])
    else { return false }
    lastLine[paper] = number
    return true
  }

  func paper(_ paper: Instrument, grants count: Int) -> Bool {
    let own = lines.pieces(upTo: lastLine.removeValue(forKey: paper.id))
    guard own.count == count else { return false }
    return take(paper.patient) {
      index.forms.append(paper, grants: count, own, to: &$0)
    }
  }

  func revocation(_ revocation: Revocation) -> Bool {
    take(revocation.patient) { index.forms.append(revocation, to: &$0) }
  }

  func forget(_ patient: PatientID) {
    guard let circle = index.circle(of: patient) else { return }
    last = nil
    if lastPiece.indices.contains(Int(circle.number)) {
      lastPiece[Int(circle.number)] = Chains.none
    }
    index.drop(circle)
  }

  func facts(_ facts: Facts, images: [ImageKey]?) {
    seal()
    let split = FactSplit(facts)
    let parts = images.map { split.parts($0) } ?? split.parts(split.keys)
    for part in parts where part.images.count <= capacity { index.insert(part) }
  }

  private func take(_ patient: PatientID, _ body: (inout PackedBytes) -> Bool) -> Bool {
    guard let circle = index.circle(of: patient) else { return true }
    var packed = PackedBytes()
    guard body(&packed) else { return false }
    let place = Int(circle.number)
    while lastPiece.count <= place { lastPiece.append(Chains.none) }
    guard let number = pieces.append(packed.bytes, after: lastPiece[place]) else { return false }
    lastPiece[place] = number
    return true
  }

  /// Gives each circle what was gathered for it. To be called when all has come.
  func seal() {
    for place in lastPiece.indices where lastPiece[place] != Chains.none {
      let own = pieces.pieces(upTo: lastPiece[place])
      var bytes: [UInt8] = []
      bytes.reserveCapacity(own.reduce(0) { $0 + $1.count })
      for piece in own { bytes.append(contentsOf: piece) }
      index.circles[place]?.papers = .packed(bytes)
    }
    lastPiece = []
    pieces = Chains()
    lines = Chains()
    lastLine = [:]
  }
}

/// Pieces of bytes in one stretch, each with the number of another one before it.
private struct Chains {
  static let none = UInt32.max

  private var bytes: [UInt8] = []
  private var entries: ContiguousArray<(start: Int, count: UInt32, before: UInt32)> = []

  /// - Returns: its number; `nil` when there can be no more.
  mutating func append(_ piece: [UInt8], after before: UInt32?) -> UInt32? {
    guard let number = UInt32(exactly: entries.count), number != Self.none else { return nil }
    entries.append((bytes.count, UInt32(clamping: piece.count), before ?? Self.none))
    bytes.append(contentsOf: piece)
    return number
  }

  /// A chain in the order in which it was appended.
  func pieces(upTo last: UInt32?) -> [ArraySlice<UInt8>] {
    var pieces: [ArraySlice<UInt8>] = []
    var number = last ?? Self.none
    while number != Self.none {
      let entry = entries[Int(number)]
      pieces.append(bytes[entry.start..<entry.start + Int(entry.count)])
      number = entry.before
    }
    return pieces.reversed()
  }
}

extension ImageForm {
  fileprivate var unnamed: ImageForm { ImageForm(kind: kind, claims: claims) }
}
