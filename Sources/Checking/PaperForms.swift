internal import ConsentCore

/// Values that many records share, by number. What is not used any more stays until everything is
/// dropped, so their number is bounded.
struct Interned<Value: Hashable & Sendable>: Sendable {
  private var values: ContiguousArray<Value> = []
  private var numbers: [Value: Int] = [:]
  private let limit: Int

  init(limit: Int) { self.limit = limit }

  subscript(_ number: Int) -> Value? { values.indices.contains(number) ? values[number] : nil }

  /// - Returns: `nil` when there can be no more.
  mutating func number(of value: Value) -> Int? {
    if let known = numbers[value] { return known }
    guard values.count < limit else { return nil }
    values.append(value)
    numbers[value] = values.count - 1
    return values.count - 1
  }
}

/// What the papers of a register have in common, and how one patient's facts become a few bytes
/// that name it.
///
/// A paper is mostly its form: the text, who signs in what capacity, to whom the grants are. What
/// is its own is identities, days and scopes. Patients of whom more is recorded than versions,
/// papers and revocations are not packed.
struct PaperForms {
  private static let limit = 16_384

  private var papers = Interned<Instrument>(limit: limit)
  private var grants = Interned<Grant>(limit: limit)
  private var signers = Interned<Signer>(limit: limit)
  private var texts = Interned<String>(limit: limit)

  private enum Tag {
    static let patient: UInt8 = 1
    static let paper: UInt8 = 2
    static let revocation: UInt8 = 3
  }

  // MARK: Packing

  /// - Parameter own: the facts of the patient.
  /// - Returns: `nil` when they are to be kept as they are.
  mutating func pack(_ own: Facts, of patient: PatientID) -> [UInt8]? {
    guard own.merges.isEmpty, own.unmerges.isEmpty, own.enteredInError.isEmpty,
      own.falseInformation.isEmpty, own.authorityEvidence.isEmpty, own.restrictionEnds.isEmpty,
      own.expiryEvents.isEmpty, own.expiryEventResolutions.isEmpty, own.determinations.isEmpty,
      own.determinationWithdrawals.isEmpty, own.unevaluable.isEmpty, own.images.isEmpty,
      own.patients.allSatisfy({ $0.id == patient }),
      own.instruments.allSatisfy({ $0.patient == patient }),
      own.revocations.allSatisfy({ $0.patient == patient })
    else { return nil }
    var packed = PackedBytes()
    for record in own.patients { append(record, to: &packed) }
    for paper in own.instruments {
      var lines = PackedBytes()
      for grant in paper.grants where !append(grant, to: &lines) { return nil }
      guard append(paper, grants: paper.grants.count, [lines.bytes[...]], to: &packed) else {
        return nil
      }
    }
    for revocation in own.revocations where !append(revocation, to: &packed) { return nil }
    // As long as they are: an array that has grown keeps room for more.
    return Array(packed.bytes[...])
  }

  mutating func append(_ record: PatientRecord, to packed: inout PackedBytes) {
    packed.append(byte: Tag.patient)
    packed.append(record.recordID)
    packed.append(signed: Int64(record.version))
    packed.append(record.majority)
    packed.append(record.majorityDay)
    append(text: record.timeZoneDataVersion, to: &packed)
    append(record.stamp, to: &packed)
  }

  /// - Parameters:
  ///   - paper: its own grants do not matter.
  ///   - lines: so many grants as `append(_:to:)` wrote them.
  /// - Returns: `false` when there are too many forms; what was written is then to be thrown away.
  mutating func append(
    _ paper: Instrument, grants count: Int, _ lines: [ArraySlice<UInt8>],
    to packed: inout PackedBytes
  ) -> Bool {
    var form = paper
    form.id = ID(high: 0, low: 0)
    form.patient = ID(high: 0, low: 0)
    form.informationDescription = ""
    form.signer = Signer(capacity: .individual)
    form.signed = nil
    form.receivedDay = LocalDay(daysSince1970: 0)
    form.received = .distantPast
    form.documentSHA256 = nil
    form.grants = []
    form.stamp = .unstamped
    guard let number = papers.number(of: form) else { return false }
    packed.append(byte: Tag.paper)
    packed.append(paper.id)
    packed.append(count: number)
    guard append(paper.signer, to: &packed) else { return false }
    append(text: paper.informationDescription, to: &packed)
    packed.append(byte: paper.signed == nil ? 0 : 1)
    if let signed = paper.signed { packed.append(signed) }
    packed.append(paper.receivedDay)
    packed.append(paper.received)
    packed.append(byte: paper.documentSHA256 == nil ? 0 : 1)
    if let document = paper.documentSHA256 { packed.append(document) }
    append(paper.stamp, to: &packed)
    packed.append(count: count)
    packed.append(raw: lines)
    return true
  }

  /// - Returns: as the papers'.
  mutating func append(_ grant: Grant, to packed: inout PackedBytes) -> Bool {
    var form = grant
    form.id = ID(high: 0, low: 0)
    form.scope = .patient
    form.effectiveFrom = .distantPast
    if case .date = grant.expiry { form.expiry = .none }
    guard let number = grants.number(of: form) else { return false }
    packed.append(grant.id)
    packed.append(count: number)
    switch grant.scope {
    case .patient: packed.append(byte: 1)
    case .study(let uid):
      packed.append(byte: 2)
      packed.append(uid)
    case .series(let uid):
      packed.append(byte: 3)
      packed.append(uid)
    case .image(.sopInstance(let uid)):
      packed.append(byte: 4)
      packed.append(uid)
    case .image(.sha256(let digits)):
      packed.append(byte: 5)
      packed.append(digits)
    }
    packed.append(grant.effectiveFrom)
    guard case .date(let day, let until) = grant.expiry else {
      packed.append(byte: 0)
      return true
    }
    packed.append(byte: 1)
    packed.append(day)
    packed.append(until)
    return true
  }

  mutating func append(_ revocation: Revocation, to packed: inout PackedBytes) -> Bool {
    packed.append(byte: Tag.revocation)
    packed.append(revocation.id)
    packed.append(count: revocation.grants.count)
    for grant in revocation.grants { packed.append(grant) }
    packed.append(byte: revocation.method.rawValue)
    guard append(revocation.signer, to: &packed) else { return false }
    packed.append(revocation.signed)
    packed.append(revocation.received)
    append(revocation.stamp, to: &packed)
    return true
  }

  private mutating func append(_ signer: Signer, to packed: inout PackedBytes) -> Bool {
    var form = signer
    form.identity = nil
    guard let number = signers.number(of: form) else { return false }
    packed.append(count: number)
    packed.append(byte: signer.identity == nil ? 0 : 1)
    if let identity = signer.identity {
      append(text: identity.system, to: &packed)
      packed.append(identity.value)
    }
    return true
  }

  private mutating func append(_ stamp: Stamp, to packed: inout PackedBytes) {
    packed.append(stamp.position)
    packed.append(stamp.recorded)
    append(text: stamp.by, to: &packed)
  }

  /// A text that many have is a number; others are written out.
  private mutating func append(text: String, to packed: inout PackedBytes) {
    if text.utf8.count <= 64, let number = texts.number(of: text) {
      packed.append(count: number + 1)
    } else {
      packed.append(byte: 0)
      packed.append(text)
    }
  }

  // MARK: Unpacking

  /// - Returns: `nil` if these bytes were not packed with these forms.
  func unpack(_ bytes: [UInt8], of patient: PatientID) -> Facts? {
    var facts = Facts()
    var packed = PackedReader(bytes)
    while !packed.isAtEnd {
      switch packed.byte() {
      case Tag.patient: facts.patients.append(self.patient(patient, &packed))
      case Tag.paper: facts.instruments.append(paper(of: patient, &packed))
      case Tag.revocation: facts.revocations.append(revocation(of: patient, &packed))
      default: packed.fail()
      }
    }
    return packed.isMalformed ? nil : facts
  }

  private func patient(_ id: PatientID, _ packed: inout PackedReader) -> PatientRecord {
    let recordID: RecordID = packed.id()
    let version = Int(packed.signed())
    let (majority, day) = (packed.optionalInstant(), packed.optionalDay())
    let zone = text(&packed)
    return PatientRecord(
      recordID: recordID, id: id, version: version, majority: majority, timeZoneDataVersion: zone,
      stamp: stamp(&packed), majorityDay: day)
  }

  private func paper(of patient: PatientID, _ packed: inout PackedReader) -> Instrument {
    let id: InstrumentID = packed.id()
    let form = papers[packed.number()]
    let signer = signer(&packed)
    guard var paper = form else {
      packed.fail()
      return Instrument(
        id: id, patient: patient, kind: .refusal, signer: Signer(capacity: .individual),
        signed: nil, receivedDay: LocalDay(daysSince1970: 0), received: .distantPast)
    }
    paper.id = id
    paper.patient = patient
    paper.signer = signer
    paper.informationDescription = text(&packed)
    if packed.byte() != 0 { paper.signed = packed.signedTime() }
    paper.receivedDay = packed.day()
    paper.received = packed.instant()
    if packed.byte() != 0 { paper.documentSHA256 = packed.text() }
    paper.stamp = stamp(&packed)
    let count = packed.count()
    paper.grants.reserveCapacity(count)
    for _ in 0..<count where !packed.isMalformed {
      if let grant = grant(&packed) { paper.grants.append(grant) } else { packed.fail() }
    }
    return paper
  }

  private func grant(_ packed: inout PackedReader) -> Grant? {
    let id: GrantID = packed.id()
    guard var grant = grants[packed.number()] else { return nil }
    grant.id = id
    switch packed.byte() {
    case 1: grant.scope = .patient
    case 2: grant.scope = .study(uid: packed.text())
    case 3: grant.scope = .series(uid: packed.text())
    case 4: grant.scope = .image(.sopInstance(packed.text()))
    case 5: grant.scope = .image(.sha256(packed.text()))
    default: return nil
    }
    grant.effectiveFrom = packed.instant()
    if packed.byte() != 0 {
      let day = packed.day()
      grant.expiry = .date(day, until: packed.instant())
    }
    return grant
  }

  private func revocation(
    of patient: PatientID, _ packed: inout PackedReader
  ) -> Revocation {
    let id: ID<Revocation> = packed.id()
    let count = packed.count()
    var grants: [GrantID] = []
    for _ in 0..<count where !packed.isMalformed { grants.append(packed.id()) }
    let method = RevocationMethod(rawValue: packed.byte())
    let signer = signer(&packed)
    if method == nil { packed.fail() }
    let (signed, received) = (packed.signedTime(), packed.instant())
    return Revocation(
      id: id, patient: patient, grants: grants, method: method ?? .written,
      signer: signer, signed: signed, received: received,
      stamp: stamp(&packed))
  }

  private func signer(_ packed: inout PackedReader) -> Signer {
    guard var signer = signers[packed.number()] else {
      packed.fail()
      return Signer(capacity: .individual)
    }
    if packed.byte() != 0 {
      let system = text(&packed)
      signer.identity = Identifier(system: system, value: packed.text())
    }
    return signer
  }

  private func stamp(_ packed: inout PackedReader) -> Stamp {
    let (position, recorded) = (packed.value(), packed.instant())
    return Stamp(position: position, recorded: recorded, by: text(&packed))
  }

  private func text(_ packed: inout PackedReader) -> String {
    let number = packed.number()
    if number == 0 { return packed.text() }
    guard let text = texts[number - 1] else {
      packed.fail()
      return ""
    }
    return text
  }
}

extension PackedReader {
  /// Of a form; one that does not exist when it does not read.
  fileprivate mutating func number() -> Int { Int(exactly: value()) ?? .max }
}
