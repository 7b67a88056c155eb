internal import ConsentCore
internal import Postgres

extension ImageRecord {
  /// Columns as in the statement `image_versions`; `nil` when this version cannot read them.
  init?(_ row: PostgresRow, sources: [ImageKey?]) throws {
    guard let key = ImageKey(text: try row.get(0)),
      let kind: ImageKind = try row.code(4),
      let identityRemoved: Claim = try row.code(19),
      let burnedIn: Claim = try row.code(20),
      let features: Claim = try row.code(21)
    else { return nil }
    let readable = sources.compactMap { $0 }
    guard readable.count == sources.count, try row.get(24, as: Int32.self) == sources.count else {
      return nil
    }
    let part2 = try row.identifier(22)
    let accession = try row.identifier(13)
    self.init(
      recordID: try row.get(2), key: key, version: Int(try row.get(1, as: Int32.self)),
      patient: try row.get(3), kind: kind, studyUID: try row.get(5), seriesUID: try row.get(6),
      sopClassUID: try row.get(7), modality: try row.get(8), bodyPart: try row.get(9),
      laterality: try row.get(10), acquiredDay: try row.get(11), acquired: try row.get(12),
      accession: accession, encounter: try row.get(15), department: try row.get(16),
      site: try row.get(17), fhirReference: try row.get(18),
      claims: IdentificationClaims(
        identityRemoved: identityRemoved, burnedInAnnotation: burnedIn,
        recognizableVisualFeatures: features),
      part2: part2.map { Part2Mark(programUnit: $0) }, sources: readable,
      stamp: try Stamp(row, from: 26), firstRecorded: try row.get(25), note: try row.get(29))
  }
}

extension Grant {
  /// Columns as in the statement `grants`; `nil` when this version cannot read them.
  init?(_ row: PostgresRow) throws {
    guard
      let recipients: [Party] = RecordBody.decode(try row.get(10, as: PostgresJSON.self).utf8),
      let disclosers: [Party] = RecordBody.decode(try row.get(11, as: PostgresJSON.self).utf8),
      let obligations: [Obligation] = RecordBody.decode(try row.get(18, as: PostgresJSON.self).utf8)
    else { return nil }
    try self.init(
      row, recipients: recipients, disclosers: disclosers, obligations: obligations)
  }

  /// The same with its lists read already.
  init?<Row: PostgresColumns & ~Copyable>(
    _ row: borrowing Row, recipients: [Party], disclosers: [Party], obligations: [Obligation]
  ) throws {
    guard let part = UInt8(exactly: try row.get(2, as: Int16.self)),
      let effect: GrantEffect = try row.code(3),
      let scope = Scope(kind: try row.get(4), key: try row.get(5)),
      let uses: ClosedSet<Use> = try row.set(7),
      let audiences: ClosedSet<Audience> = try row.set(8),
      let expiry = Expiry(
        Expiry.Columns(
          kind: try row.get(13), day: try row.get(14), until: try row.get(15),
          event: try row.get(16)))
    else { return nil }
    let channels: ClosedSet<Channel>? = try row.set(9)
    if channels == nil, try row.get(9, as: Int32?.self) != nil { return nil }
    self.init(
      id: try row.get(1), part: part, effect: effect, scope: scope, presentOnly: try row.get(6),
      uses: uses, audiences: audiences, recipients: recipients, disclosers: disclosers,
      channels: channels, effectiveFrom: try row.get(12), expiry: expiry,
      withoutDerivatives: try row.get(17), obligations: obligations)
  }
}

extension PostgresColumns where Self: ~Copyable {
  /// A value of a closed vocabulary; `nil` when this version does not know it.
  func code<Value: RawRepresentable<UInt8>>(_ column: Int) throws -> Value? {
    UInt8(exactly: try get(column, as: Int16.self)).flatMap(Value.init(rawValue:))
  }

  /// A set over a closed vocabulary; `nil` when NULL or when it holds what this version does not
  /// know.
  func set<Element>(_ column: Int) throws -> ClosedSet<Element>? {
    guard let bits = try get(column, as: Int32?.self) else { return nil }
    let set = ClosedSet<Element>(bits: UInt32(bitPattern: bits))
    return set.isSubset(of: .all) ? set : nil
  }

  /// From the columns system and value.
  func identifier(_ column: Int) throws -> Identifier? {
    guard let system: String = try get(column, as: String?.self),
      let value: String = try get(column + 1, as: String?.self)
    else { return nil }
    return Identifier(system: system, value: value)
  }
}
