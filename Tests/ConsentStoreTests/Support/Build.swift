import ConsentCore
import ConsentStore

func random<Subject>() -> ID<Subject> {
  ID(high: .random(in: 1...(.max)), low: .random(in: 0...(.max)))
}

func bytes(of position: UInt64) -> [UInt8] {
  (0..<8).map { UInt8(truncatingIfNeeded: position >> UInt64(56 - 8 * $0)) }
}

extension [UInt8] {
  /// The positions that `bytes(of:)` wrote one after the other.
  func chunks() -> [UInt64] {
    stride(from: 0, to: count - 7, by: 8).map { start in
      self[start..<start + 8].reduce(0) { $0 << 8 | UInt64($1) }
    }
  }
}

/// Records and changes with everything a test does not care about filled in.
enum Build {
  static func key(_ number: Int) -> ImageKey { .sopInstance("1.2.826.0.1.\(number + 1)") }

  static func event(
    _ kind: EventKind, _ subject: String = random().text, patient: PatientID? = nil,
    record: RecordReference? = nil, grants: [GrantID] = [],
    occurred: Instant = Instant(microseconds: 0)
  ) -> FeedEvent {
    FeedEvent(
      kind: kind, subject: subject, patient: patient, record: record, grants: grants,
      uses: [.education], occurred: occurred)
  }

  static func change(_ record: Record, _ kind: EventKind, patient: PatientID? = nil) -> Change {
    var change = Change()
    change.append(
      record,
      event: event(
        kind, record.id.description, patient: patient,
        record: RecordReference(kind: record.kind, id: record.id)))
    return change
  }

  static func patient(
    _ id: PatientID, version: Int = 1, majority: Instant? = nil
  ) -> Change {
    let record = PatientRecord(
      recordID: random(), id: id, version: version, majority: majority, timeZoneDataVersion: "2026a"
    )
    return change(
      .patient(record), version == 1 ? .patientRegistered : .patientCorrected, patient: id)
  }

  static func image(
    _ key: ImageKey, of patient: PatientID, version: Int = 1, study: String? = "1.2.3",
    series: String? = nil, sources: [ImageKey] = [], part2: Part2Mark? = nil
  ) -> ImageRecord {
    ImageRecord(
      recordID: random(), key: key, version: version, patient: patient,
      kind: sources.isEmpty ? .dicomInstance : .derivative, studyUID: study, seriesUID: series,
      modality: "DX", acquiredDay: LocalDay(daysSince1970: -365),
      accession: Identifier(system: "urn:ris", value: "A-1"), part2: part2, sources: sources)
  }

  static func register(_ image: ImageRecord) -> Change {
    change(
      .image(image), image.version == 1 ? .imageRegistered : .imageCorrected,
      patient: image.patient)
  }

  static func grant(
    expiry: Expiry = .none, from: Instant = .distantPast, scope: Scope = .patient
  ) -> Grant {
    Grant(
      id: random(), effect: .permit, scope: scope, uses: [.education, .consultation],
      audiences: [.external],
      recipients: [Party(kind: .venue, identifier: Identifier(system: "issn", value: "0001"))],
      channels: [.publication], effectiveFrom: from, expiry: expiry)
  }

  static func instrument(
    of patient: PatientID, _ grants: [Grant], signed: LocalDay = LocalDay(daysSince1970: 20_000)
  ) -> Instrument {
    Instrument(
      id: random(), patient: patient, kind: .authorization,
      form: Form.Reference(id: "A", version: "1"),
      statements: Statements(rightToRevoke: true, conditioning: nil, redisclosure: false),
      informationDescription: "chest films", signer: Signer(capacity: .individual),
      signed: SignedTime(day: signed), receivedDay: signed, received: Instant(microseconds: 5),
      grants: grants, defects: [Defect(.expiry, part: 1)])
  }

  static func record(_ instrument: Instrument) -> Change {
    change(.instrument(instrument), .instrumentRecorded, patient: instrument.patient)
  }

  static func merge(_ survivor: PatientID, _ merged: PatientID) -> PatientMerge {
    PatientMerge(id: random(), survivor: survivor, merged: merged)
  }

  static func end(_ grant: GrantID, _ kind: EventKind, at instant: Instant) -> Change {
    Change(
      events: [event(kind, grant.description, grants: [grant], occurred: instant)],
      ends: [GrantEnd(grant: grant, kind: kind, ended: instant)])
  }

  static func decision(
    _ image: ImageKey, at instant: Instant, position: UInt64, effect: Effect = .permit,
    grant: GrantID? = nil, patient: PatientID? = nil
  ) -> DecisionEntry {
    let basis = grant.map {
      DecidingRecord(
        part: .basis, record: RecordReference(kind: .instrument, id: random()), grant: $0,
        reason: .authorizationValid)
    }
    return DecisionEntry(
      caller: "pacs", limits: CallerLimits(),
      request: CheckRequest(
        image: image, use: .education, audience: .external, channel: .publication,
        actor: Actor(user: Identifier(system: "urn:staff", value: "7"), role: .educator)),
      decision: Decision(
        effect: effect, primary: effect == .permit ? .authorizationValid : .noAuthorization,
        records: basis.map { [$0] } ?? [], obligations: [.reviewWithin(hours: 72)], at: instant,
        position: position),
      patient: patient)
  }
}

/// An identity of no particular kind, as text.
struct RandomText { var text: String }

func random() -> RandomText { RandomText(text: (random() as ID<Record>).description) }

extension Instant {
  func plus(hours: Int64) -> Instant { adding(microseconds: hours * .microsecondsPerHour) }
}
