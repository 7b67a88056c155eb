internal import ConsentCore
internal import Postgres

/// Turns rows into facts. A row that does not read restricts its patient; it never vanishes.
struct FactLoader {
  var facts = Facts()
  private var grants: [InstrumentID: [Grant?]] = [:]
  private var sources: [VersionKey: [ImageKey?]] = [:]
  /// Everybody an image belongs or belonged to: whom its unreadable records restrict.
  private var owners: [String: Set<PatientID>] = [:]

  private struct VersionKey: Hashable {
    var key: String
    var version: Int32
  }

  init(position: UInt64) { facts.position = position }

  mutating func addPatients(_ result: PostgresResult) throws {
    for row in result.rows {
      let (record, patient, version, majority, zone) = try row.decode(
        RecordID.self, PatientID.self, Int32.self, Instant?.self, String.self)
      facts.patients.append(
        PatientRecord(
          recordID: record, id: patient, version: Int(version), majority: majority,
          timeZoneDataVersion: zone, stamp: try Stamp(row, from: 5),
          majorityDay: try row.get(8)))
    }
  }

  mutating func addMerges(_ result: PostgresResult) throws {
    for row in result.rows {
      let (id, survivor, merged) = try row.decode(
        ID<PatientMerge>.self, PatientID.self, PatientID.self)
      facts.merges.append(
        PatientMerge(
          id: id, survivor: survivor, merged: merged, stamp: try Stamp(row, from: 3),
          note: try row.get(6)))
    }
  }

  mutating func addSources(_ result: PostgresResult) throws {
    for row in result.rows {
      let (key, version, source) = try row.decode(String.self, Int32.self, String.self)
      sources[VersionKey(key: key, version: version), default: []].append(ImageKey(text: source))
    }
  }

  mutating func addImages(_ result: PostgresResult) throws {
    for row in result.rows {
      let key: String = try row.get(0)
      let patient: PatientID = try row.get(3)
      owners[key, default: []].insert(patient)
      let sources = self.sources[VersionKey(key: key, version: try row.get(1))] ?? []
      if let image = try ImageRecord(row, sources: sources) {
        facts.images.append(image)
      } else {
        let reference = RecordReference(kind: .image, id: try row.get(2))
        restrict([patient], reference, uses: [], stamp: try Stamp(row, from: 26))
      }
    }
  }

  mutating func addGrants(_ result: PostgresResult) throws {
    for row in result.rows {
      grants[try row.get(0), default: []].append(try Grant(row))
    }
  }

  mutating func addPapers(_ result: PostgresResult) throws {
    for row in result.rows {
      let stamp = try Stamp(row, from: 5)
      let subject = try RecordSubject(row, from: 2)
      let id: RecordID = try row.get(1)
      guard
        let kind = UInt8(exactly: try row.get(0, as: Int16.self))
          .flatMap(RecordKind.init(rawValue:))
      else { throw StoreError.unreadable("the kind of a record") }
      if let record = try paper(row, kind: kind, id: id, subject: subject, stamp: stamp) {
        facts.insert(record)
      } else {
        let uses = ClosedSet<Use>(bits: UInt32(bitPattern: try row.get(9, as: Int32?.self) ?? 0))
        try restrict(
          people(of: subject), RecordReference(kind: kind, id: id),
          uses: uses.isSubset(of: .all) ? uses : [], stamp: stamp)
      }
    }
  }

  /// - Returns: `nil` when the body does not read or contradicts its columns.
  private func paper(
    _ row: PostgresRow, kind: RecordKind, id: RecordID, subject: RecordSubject, stamp: Stamp
  ) throws -> Record? {
    let json: PostgresJSON = try row.get(8)
    guard var record = RecordBody.decode(kind, json.utf8, stamp: stamp), record.id == id else {
      return nil
    }
    if record.target == nil {
      guard try RecordSubject.of(record, known: { _ in nil }) == subject else { return nil }
    }
    if case .instrument(var instrument) = record {
      let lines = grants[instrument.id] ?? []
      let readable = lines.compactMap { $0 }
      guard readable.count == lines.count,
        try row.get(10, as: Int32?.self) == Int32(clamping: lines.count)
      else { return nil }
      instrument.grants = readable
      record = .instrument(instrument)
    }
    return record
  }

  private func people(of subject: RecordSubject) throws -> Set<PatientID> {
    switch subject {
    case .organization: throw StoreError.unreadable("a record that concerns the organization")
    case .patient(let patient): [patient]
    case .patients(let first, let second): [first, second]
    case .image(let key): owners[key.text] ?? []
    }
  }

  private mutating func restrict(
    _ patients: Set<PatientID>, _ reference: RecordReference, uses: ClosedSet<Use>, stamp: Stamp
  ) {
    let each: [Use?] = uses.isEmpty ? [nil] : uses.elements
    for patient in patients.sorted() {
      facts.unevaluable += each.map {
        UnevaluableRecord(reference: reference, patient: patient, use: $0, stamp: stamp)
      }
    }
  }
}

extension Stamp {
  /// From the columns position, recorded and recorded_by.
  init<Row: PostgresColumns & ~Copyable>(_ row: borrowing Row, from column: Int) throws {
    self.init(
      position: try row.unsigned(column), recorded: try row.get(column + 1),
      by: try row.get(column + 2))
  }
}
