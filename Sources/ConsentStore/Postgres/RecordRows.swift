internal import ConsentCore
internal import Foundation
internal import Postgres

/// The rows that the records of one change make, gathered by table.
struct RecordRows {
  private let organization: OrganizationID
  private var sets: [String: RowSet] = [:]

  init(organization: OrganizationID) { self.organization = organization }

  /// Tables that foreign keys point at come before those that hold the keys.
  var rowSets: [RowSet] { Self.order.compactMap { sets[$0.name] } }

  var isEmpty: Bool { sets.isEmpty }

  private static let order: [Table] = [
    .feed, .feedEvent, .grantEvent, .patient, .merge, .unmerge, .image, .imageSource, .form,
    .instrument, .grant, .grantEnd, .revocation, .revocationGrant, .falseInformation,
    .authorityEvidence, .restrictionEnd, .expiryEvent, .expiryEventResolution, .determination,
    .determinationWithdrawal, .enteredInError, .policy,
  ]

  mutating func add(_ table: Table, _ body: (inout RowSet) -> Void) {
    body(&sets[table.name, default: RowSet(table, organization: organization)])
  }

  mutating func add(contentsOf other: RecordRows) {
    for (name, set) in other.sets {
      if sets[name] == nil { sets[name] = set } else { sets[name]?.add(contentsOf: set) }
    }
  }

  /// - Parameter record: stamped.
  mutating func add(_ record: Record, subject: RecordSubject) throws {
    let stamp = record.stamp
    let position = Cell.int8(try column(stamp.position))
    let (at, by) = (Cell.instant(stamp.recorded), Cell.text(stamp.by))
    let id = Cell.id(record.id)
    let (patient, other, key) = subject.columns
    switch record {
    case .patient(let r):
      add(.patient) {
        $0.add(
          .id(r.id), .number(r.version), id, .instant(r.majority), .day(r.majorityDay),
          .text(r.timeZoneDataVersion), position, at, by)
      }
    case .merge(let r):
      add(.merge) { $0.add(id, .id(r.survivor), .id(r.merged), .text(r.note), position, at, by) }
    case .image(let r): add(image: r, position: position)
    case .instrument(let r): try add(instrument: r, position: position)
    case .unmerge(let r):
      let body = try RecordBody.encode(record)
      add(.unmerge) { $0.add(id, .id(r.merge), position, at, by, body) }
    case .form(let r):
      let body = try RecordBody.encode(record)
      add(.form) {
        $0.add(
          id, .text(r.reference.id), .text(r.reference.version), .code(r.kind), position, at, by,
          body)
      }
    case .revocation(let r):
      let body = try RecordBody.encode(record)
      add(.revocation) {
        $0.add(
          id, .id(r.patient), .code(r.method), .day(r.signed.day), .instant(r.signed.instant),
          .instant(r.received), position, at, by, body)
      }
      for grant in Set(r.grants) { add(.revocationGrant) { $0.add(id, .id(grant)) } }
    case .enteredInError(let r):
      let body = try RecordBody.encode(record)
      add(.enteredInError) {
        $0.add(
          id, .code(r.target.kind), .id(r.target.id), patient, other, key, position, at, by, body)
      }
    case .falseInformation(let r):
      let body = try RecordBody.encode(record)
      add(.falseInformation) { $0.add(id, .id(r.instrument), patient, position, at, by, body) }
    case .authorityEvidence(let r):
      let body = try RecordBody.encode(record)
      add(.authorityEvidence) {
        $0.add(id, .id(r.instrument), patient, .code(r.finding), position, at, by, body)
      }
    case .restrictionEnd(let r):
      let body = try RecordBody.encode(record)
      add(.restrictionEnd) { $0.add(id, .id(r.instrument), patient, position, at, by, body) }
    case .expiryEvent(let r):
      let body = try RecordBody.encode(record)
      add(.expiryEvent) { $0.add(id, patient, .instant(r.expectedBy), position, at, by, body) }
    case .expiryEventResolution(let r):
      let body = try RecordBody.encode(record)
      add(.expiryEventResolution) {
        $0.add(
          id, .id(r.event), .instant(r.occurred), .instant(r.counts), position, at, by, body)
      }
    case .determination(let r):
      let body = try RecordBody.encode(record)
      add(.determination) {
        $0.add(
          id, key, .code(r.method), .instant(r.determined), .instant(r.until), position, at, by,
          body)
      }
    case .determinationWithdrawal(let r):
      let body = try RecordBody.encode(record)
      add(.determinationWithdrawal) {
        $0.add(id, .id(r.determination), key, position, at, by, body)
      }
    case .policy(let r):
      let body = try RecordBody.encode(record)
      add(.policy) {
        $0.add(.number(r.version), id, .instant(r.effective), position, at, by, body)
      }
    }
  }

  private mutating func add(image r: ImageRecord, position: Cell) {
    add(.image) {
      $0.add(
        .text(r.key.text), .number(r.version), .id(r.recordID), .id(r.patient), .code(r.kind),
        .text(r.studyUID), .text(r.seriesUID), .text(r.sopClassUID), .text(r.modality),
        .text(r.bodyPart), .text(r.laterality), .day(r.acquiredDay), .instant(r.acquired),
        .text(r.accession?.system), .text(r.accession?.value), .text(r.encounter),
        .text(r.department), .text(r.site), .text(r.fhirReference), .text(r.note),
        .code(r.claims.identityRemoved), .code(r.claims.burnedInAnnotation),
        .code(r.claims.recognizableVisualFeatures), .text(r.part2?.programUnit.system),
        .text(r.part2?.programUnit.value), .number(r.sources.count), .instant(r.firstRecorded),
        position, .instant(r.stamp.recorded), .text(r.stamp.by))
    }
    for (ordinal, source) in r.sources.enumerated() {
      add(.imageSource) {
        $0.add(
          .text(r.key.text), .number(r.version), .number(ordinal), .text(source.text), position)
      }
    }
  }

  private mutating func add(instrument r: Instrument, position: Cell) throws {
    var paper = r
    paper.grants = []
    let body = try RecordBody.encode(.instrument(paper))
    let uses = r.grants.reduce(ClosedSet<Use>()) { $0.union($1.uses) }
    add(.instrument) {
      $0.add(
        .id(r.id), .id(r.patient), .code(r.kind), .set(uses), .number(r.grants.count),
        .day(r.signed?.day), .instant(r.signed?.instant), .day(r.receivedDay),
        .instant(r.received), .text(r.documentSHA256), position, .instant(r.stamp.recorded),
        .text(r.stamp.by), body)
    }
    for (line, grant) in r.grants.enumerated() {
      let recipients = Cell.json(try RecordBody.encode(grant.recipients))
      let disclosers = Cell.json(try RecordBody.encode(grant.disclosers))
      let obligations = Cell.json(try RecordBody.encode(grant.obligations))
      let (scope, scopeKey) = grant.scope.columns
      let expiry = grant.expiry.columns
      add(.grant) {
        $0.add(
          .id(grant.id), .id(r.id), .number(line), .id(r.patient), .int2(Int16(grant.part)),
          .code(grant.effect), .int2(scope), .text(scopeKey), .bool(grant.presentOnly),
          .set(grant.uses), .set(grant.audiences), .set(grant.channels), recipients, disclosers,
          .instant(grant.effectiveFrom), .int2(expiry.kind), .day(expiry.day),
          .instant(expiry.until), .id(expiry.event), .bool(grant.withoutDerivatives), obligations,
          .day(r.signed?.day),
          .instant(r.signed?.instant), .instant(r.received), position, .instant(r.stamp.recorded))
      }
    }
  }
}

extension RecordSubject {
  /// Patient, other patient of a merge, image.
  var columns: (Cell, Cell, Cell) {
    switch self {
    case .organization: (.uuid(nil), .uuid(nil), .text(nil))
    case .patient(let patient): (.id(patient), .uuid(nil), .text(nil))
    case .patients(let first, let second): (.id(first), .id(second), .text(nil))
    case .image(let key): (.uuid(nil), .uuid(nil), .text(key.text))
    }
  }
}

extension Scope {
  var columns: (Int16, String?) {
    switch self {
    case .patient: (1, nil)
    case .study(let uid): (2, uid)
    case .series(let uid): (3, uid)
    case .image(let key): (4, key.text)
    }
  }

  init?(kind: Int16, key: String?) {
    switch (kind, key) {
    case (1, nil): self = .patient
    case (2, let uid?): self = .study(uid: uid)
    case (3, let uid?): self = .series(uid: uid)
    case (4, let text?):
      guard let key = ImageKey(text: text) else { return nil }
      self = .image(key)
    default: return nil
    }
  }
}

extension Expiry {
  struct Columns {
    var kind: Int16
    var day: LocalDay?
    var until: Instant?
    var event: ID<ExpiryEvent>?
  }

  var columns: Columns {
    switch self {
    case .none: Columns(kind: 0)
    case .date(let day, let until): Columns(kind: 1, day: day, until: until)
    case .majority: Columns(kind: 2)
    case .event(let event): Columns(kind: 3, event: event)
    }
  }

  init?(_ columns: Columns) {
    switch (columns.kind, columns.day, columns.until, columns.event) {
    case (0, nil, nil, nil): self = .none
    case (1, let day?, let until?, nil): self = .date(day, until: until)
    case (2, nil, nil, nil): self = .majority
    case (3, nil, nil, let event?): self = .event(event)
    default: return nil
    }
  }
}
