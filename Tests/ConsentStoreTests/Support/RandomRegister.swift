import ConsentCore
import ConsentStore

/// Makes changes that could have happened, one after the other, of every record kind.
struct RandomRegister {
  private(set) var patients: [PatientID] = []
  private(set) var keys: [ImageKey] = []
  private(set) var grants: [GrantID] = []
  private var versions: [ImageKey: Int] = [:]
  private var patientVersions: [PatientID: Int] = [:]
  private var instruments: [InstrumentID] = []
  private var merges: [ID<PatientMerge>] = []
  private var events: [ID<ExpiryEvent>] = []
  private var determinations: [ID<Determination>] = []
  private var references: [RecordReference] = []
  private var live: Set<GrantID> = []
  private var policyVersion = 0
  private var generator: SeededGenerator

  init(seed: UInt64) { generator = SeededGenerator(seed: seed) }

  mutating func next(now: Instant) -> Change {
    if patients.isEmpty { return newPatient(now) }
    switch Int.random(in: 0..<20, using: &generator) {
    case 0: return newPatient(now)
    case 1: return correctPatient(now)
    case 2...4: return image()
    case 5...8: return instrument(now)
    case 9: return merge()
    case 10: return unmerge()
    case 11: return expiryEvent(now)
    case 12: return resolution(now)
    case 13: return determination(now)
    case 14: return revocation()
    case 15: return end(now)
    case 16: return enteredInError()
    case 17: return aboutInstrument()
    case 18: return organizationRecord()
    default: return tell()
    }
  }

  private mutating func id<Subject>() -> ID<Subject> {
    ID(high: generator.next(), low: generator.next())
  }

  private mutating func hours(_ range: ClosedRange<Int64>) -> Int64 {
    Int64.random(in: range, using: &generator)
  }

  private mutating func change(_ record: Record, _ kind: EventKind) -> Change {
    references.append(RecordReference(kind: record.kind, id: record.id))
    return Build.change(record, kind)
  }

  private mutating func newPatient(_ now: Instant) -> Change {
    let patient: PatientID = id()
    patients.append(patient)
    return patientVersion(patient, now)
  }

  private mutating func correctPatient(_ now: Instant) -> Change {
    patientVersion(patients.randomElement(using: &generator) ?? id(), now)
  }

  private mutating func patientVersion(_ patient: PatientID, _ now: Instant) -> Change {
    let version = (patientVersions[patient] ?? 0) + 1
    patientVersions[patient] = version
    let majority = Bool.random(using: &generator) ? now.plus(hours: hours(-50...200)) : nil
    return change(
      .patient(
        PatientRecord(
          recordID: id(), id: patient, version: version, majority: majority,
          timeZoneDataVersion: "2026a",
          majorityDay: majority.map { _ in LocalDay(daysSince1970: 20_000) })),
      version == 1 ? .patientRegistered : .patientCorrected)
  }

  private mutating func image() -> Change {
    let patient = patients.randomElement(using: &generator) ?? id()
    var key = Build.key(keys.count)
    if Bool.random(using: &generator), let known = keys.randomElement(using: &generator) {
      key = known
    } else {
      keys.append(key)
    }
    let version = (versions[key] ?? 0) + 1
    versions[key] = version
    let sources = (0..<Int.random(in: 0...2, using: &generator)).compactMap { _ in
      keys.randomElement(using: &generator)
    }
    var image = Build.image(
      key, of: patient, version: version, study: "1.\(Int.random(in: 1...3, using: &generator))",
      sources: sources,
      part2: Int.random(in: 0..<30, using: &generator) == 0
        ? Part2Mark(programUnit: Identifier(system: "u", value: "v")) : nil)
    image.recordID = id()
    image.note = version > 1 ? "version \(version)" : nil
    return change(.image(image), version == 1 ? .imageRegistered : .imageCorrected)
  }

  private mutating func instrument(_ now: Instant) -> Change {
    let lines = (0..<Int.random(in: 0...3, using: &generator)).map { _ in grant(now) }
    for line in lines { grants.append(line.id) }
    live.formUnion(lines.map(\.id))
    var instrument = Build.instrument(
      of: patients.randomElement(using: &generator) ?? id(), lines)
    instrument.id = id()
    instruments.append(instrument.id)
    return change(.instrument(instrument), .instrumentRecorded)
  }

  private mutating func grant(_ now: Instant) -> Grant {
    let expiry: Expiry =
      switch Int.random(in: 0..<4, using: &generator) {
      case 0: .date(LocalDay(daysSince1970: 1), until: now.plus(hours: hours(-20...200)))
      case 1: .majority
      case 2: events.randomElement(using: &generator).map { .event($0) } ?? .none
      default: .none
      }
    let scope: Scope =
      switch Int.random(in: 0..<4, using: &generator) {
      case 0: .patient
      case 1: .study(uid: "1.\(Int.random(in: 1...3, using: &generator))")
      default: keys.randomElement(using: &generator).map { .image($0) } ?? .patient
      }
    var grant = Build.grant(
      expiry: expiry, from: now.plus(hours: hours(-100...20)), scope: scope)
    grant.presentOnly = Bool.random(using: &generator)
    grant.id = id()
    grant.withoutDerivatives = Bool.random(using: &generator)
    grant.obligations = Bool.random(using: &generator) ? [.cropToRegion, .stripMetadata] : []
    return grant
  }

  private mutating func merge() -> Change {
    let merge = PatientMerge(
      id: id(), survivor: patients.randomElement(using: &generator) ?? id(),
      merged: patients.randomElement(using: &generator) ?? id(),
      note: Bool.random(using: &generator) ? "the same person" : nil)
    merges.append(merge.id)
    return change(.merge(merge), .patientsMerged)
  }

  private mutating func unmerge() -> Change {
    guard let merge = merges.randomElement(using: &generator) else { return tell() }
    let assignment = PatientUnmerge.Assignment(
      record: id(), patient: patients.randomElement(using: &generator) ?? id())
    return change(
      .unmerge(PatientUnmerge(id: id(), merge: merge, assignments: [assignment])),
      .patientsUnmerged)
  }

  private mutating func expiryEvent(_ now: Instant) -> Change {
    let event = ExpiryEvent(
      id: id(),
      patient: Bool.random(using: &generator) ? patients.randomElement(using: &generator) : nil,
      definition: "d",
      expectedBy: Bool.random(using: &generator) ? now.plus(hours: hours(1...90)) : nil)
    events.append(event.id)
    return change(.expiryEvent(event), .expiryEventDeclared)
  }

  private mutating func resolution(_ now: Instant) -> Change {
    guard let event = events.randomElement(using: &generator) else { return tell() }
    let resolution = ExpiryEventResolution(
      id: id(), event: event, occurred: now.plus(hours: hours(-30...30)))
    return change(.expiryEventResolution(resolution), .expiryEventResolved)
  }

  private mutating func determination(_ now: Instant) -> Change {
    if let known = determinations.randomElement(using: &generator), Bool.random(using: &generator) {
      return change(
        .determinationWithdrawal(
          DeterminationWithdrawal(id: id(), determination: known, note: "w")),
        .deidentificationWithdrawn)
    }
    guard let key = keys.randomElement(using: &generator) else { return tell() }
    let determination = Determination(
      id: id(), image: key, method: .safeHarbor, by: "b", determined: now, identityRemoved: true,
      noBurnedInText: nil, noRecognizableFeatures: false)
    determinations.append(determination.id)
    return change(.determination(determination), .deidentificationDetermined)
  }

  private mutating func revocation() -> Change {
    guard let grant = grants.randomElement(using: &generator) else { return tell() }
    let revocation = Revocation(
      id: id(), patient: patients.randomElement(using: &generator) ?? id(), grants: [grant],
      method: .written,
      signer: Signer(capacity: .parent, authorityFrom: LocalDay(daysSince1970: -1)),
      signed: SignedTime(day: LocalDay(daysSince1970: 2), instant: Instant(microseconds: 3)),
      received: Instant(microseconds: 4))
    return change(.revocation(revocation), .grantRevoked)
  }

  private mutating func end(_ now: Instant) -> Change {
    guard let grant = live.sorted().first else { return tell() }
    live.remove(grant)
    return Build.end(grant, .grantExpired, at: now)
  }

  private mutating func enteredInError() -> Change {
    guard let target = references.randomElement(using: &generator) else { return tell() }
    return change(
      .enteredInError(EnteredInError(id: id(), target: target, note: "wrong")),
      .recordEnteredInError)
  }

  private mutating func aboutInstrument() -> Change {
    guard let instrument = instruments.randomElement(using: &generator) else { return tell() }
    switch Int.random(in: 0..<3, using: &generator) {
    case 0:
      return change(
        .falseInformation(FalseInformation(id: id(), instrument: instrument, note: "f")),
        .instrumentFalsified)
    case 1:
      return change(
        .authorityEvidence(
          AuthorityEvidence(
            id: id(), instrument: instrument, finding: .establishesAuthority, verifiedBy: "v",
            note: "n")), .authorityEvidenceRecorded)
    default:
      return change(
        .restrictionEnd(RestrictionEnd(id: id(), instrument: instrument, note: "r")),
        .restrictionEnded)
    }
  }

  private mutating func organizationRecord() -> Change {
    policyVersion += 1
    if Bool.random(using: &generator) {
      return change(
        .policy(Policy(recordID: id(), version: policyVersion, effective: .distantPast)),
        .policyChanged)
    }
    return change(
      .form(
        Form(
          recordID: id(), reference: Form.Reference(id: "F", version: "\(policyVersion)"),
          title: "t", kind: .consent, statements: Statements(conditioning: true))),
      .formRegistered)
  }

  /// An event without a record.
  private mutating func tell() -> Change {
    let kinds: [EventKind] = [.grantActivated, .documentStored, .grantExpiringSoon]
    let grant = grants.randomElement(using: &generator)
    let subject: RecordID = id()
    return Change(events: [
      Build.event(
        kinds.randomElement(using: &generator) ?? .documentStored, subject.description,
        grants: grant.map { [$0] } ?? [])
    ])
  }
}
