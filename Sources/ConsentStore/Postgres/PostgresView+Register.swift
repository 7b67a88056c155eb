internal import ConsentCore
internal import Postgres

// The whole register by binary COPY, table by table in the order in which they lie there, in the
// transaction's one snapshot. Grouping by patient is the receiver's: sorting would cost the server
// more than it costs us.
extension PostgresView {
  func readRegister(into receiver: any RegisterReceiver) throws {
    var reading = RegisterReading(
      view: self, receiver: receiver,
      unplain: Set(try connection.execute(.unplainPatients, id).rows.map { try $0.get(0) }))
    let images = try connection.execute(.unplainImages, id).rows
      .compactMap { ImageKey(text: try $0.get(0)) }
    receiver.begin(try facts(images: [], asOf: nil), unplain: images)
    try reading.scopes()
    try reading.images()
    try reading.patients()
    try reading.grants()
    try reading.papers()
    try reading.revocations()
    try readFacts(of: reading.unplain.sorted(), images, into: receiver)
  }

  private func readFacts(
    of patients: [PatientID], _ images: [ImageKey], into receiver: any RegisterReceiver
  ) throws {
    for start in stride(from: 0, to: patients.count, by: 256) where receiver.capacity > 0 {
      let page = Array(patients[start..<min(patients.count, start + 256)])
      receiver.facts(try facts(patients: page, asOf: nil), images: nil)
    }
    for start in stride(from: 0, to: images.count, by: 1_000) where receiver.capacity > 0 {
      let page = Array(images[start..<min(images.count, start + 1_000)])
      receiver.facts(try facts(images: page, asOf: nil), images: page)
    }
  }
}

/// The pieces of one register on their way.
private struct RegisterReading {
  let view: PostgresView
  let receiver: any RegisterReceiver
  /// Patients who come as facts, because more is recorded of them, or less can be read.
  var unplain: Set<PatientID>
  /// Hashes of the UIDs that grants name. Two of a kind only keep a UID that nothing needs.
  private var named: Set<Int> = []
  private var parties = JSONCache<[Party]>()
  private var obligations = JSONCache<[Obligation]>()
  private var bodies = JSONCache<PaperBody>()

  init(view: PostgresView, receiver: any RegisterReceiver, unplain: Set<PatientID>) {
    self.view = view
    self.receiver = receiver
    self.unplain = unplain
  }

  private func copy(
    _ name: String, _ columns: String, from table: String, _ condition: String = "true",
    _ body: (borrowing PostgresCopyRow) throws -> Void
  ) throws {
    // COPY takes no parameters; an identity is hexadecimal digits.
    try view.connection.copyOut(
      PostgresStatement(
        name: "register_\(name)",
        sql: "COPY (SELECT \(columns) FROM \(table) WHERE organization_id = '\(view.id)' "
          + "AND \(condition)) TO STDOUT (FORMAT binary)"), body)
  }

  private mutating func give(up patient: PatientID) {
    unplain.insert(patient)
    receiver.forget(patient)
  }

  private func isWanted(_ patient: PatientID) -> Bool {
    (unplain.isEmpty || !unplain.contains(patient)) && receiver.wants(patient)
  }

  mutating func scopes() throws {
    var named: Set<Int> = []
    try copy("scopes", "scope_key", from: "consent_grant", "scope_kind IN (2, 3)") { row in
      try row.withBytes(0) { if let uid = $0 { named.insert(Self.hash(uid)) } }
    }
    self.named = named
  }

  private static func hash(_ text: RawSpan) -> Int {
    var hasher = Hasher()
    unsafe text.withUnsafeBytes { unsafe hasher.combine(bytes: $0) }
    return hasher.finalize()
  }

  mutating func images() throws {
    var unreadable: Set<PatientID> = []
    let (named, unplain, receiver) = (named, unplain, receiver)
    func uid(_ row: borrowing PostgresCopyRow, _ column: Int) throws -> String? {
      guard !named.isEmpty else { return nil }
      return try row.withBytes(column) { bytes in
        guard let bytes, named.contains(Self.hash(bytes)) else { return nil }
        return String(postgres: bytes)
      }
    }
    try copy(
      "images",
      "image_key, patient_id, kind, identity_removed, burned_in_annotation, "
        + "recognizable_visual_features, acquired_day, first_recorded, study_uid, series_uid",
      from: "image_version",
      "version = 1 AND source_count = 0 AND part2_system IS NULL AND part2_value IS NULL "
        + "LIMIT \(receiver.capacity)"
    ) { row in
      let patient = try row.get(1, as: PatientID.self)
      guard unplain.isEmpty || !unplain.contains(patient) else { return }
      try row.withBytes(0) { key in
        guard let key, Self.isKey(key), let kind: ImageKind = try row.code(2),
          let identityRemoved: Claim = try row.code(3), let burnedIn: Claim = try row.code(4),
          let features: Claim = try row.code(5)
        else {
          unreadable.insert(patient)
          return
        }
        receiver.image(
          key: key, of: patient, kind: kind,
          claims: IdentificationClaims(
            identityRemoved: identityRemoved, burnedInAnnotation: burnedIn,
            recognizableVisualFeatures: features),
          study: try uid(row, 8), series: try uid(row, 9),
          acquiredDay: try row.get(6, as: LocalDay?.self),
          firstRecorded: try row.get(7, as: Instant.self))
      }
    }
    for patient in unreadable { give(up: patient) }
  }

  private static let dicom = Array("dicom:".utf8)

  /// What `ImageKey(text:)` reads, told without making a text of it.
  private static func isKey(_ text: RawSpan) -> Bool {
    guard text.byteCount > dicom.count, text.byteCount <= dicom.count + 64,
      text.starts(with: dicom)
    else { return String(postgres: text).flatMap { ImageKey(text: $0) } != nil }
    var length = 0
    var hasLeadingZero = false
    for place in dicom.count..<text.byteCount {
      let byte = unsafe text.unsafeLoadUnaligned(fromByteOffset: place, as: UInt8.self)
      switch byte {
      case UInt8(ascii: "."):
        guard length > 0, !hasLeadingZero || length == 1 else { return false }
        length = 0
        hasLeadingZero = false
      case UInt8(ascii: "0")...UInt8(ascii: "9"):
        if length == 0 { hasLeadingZero = byte == UInt8(ascii: "0") }
        length += 1
      default: return false
      }
    }
    return length > 0 && (!hasLeadingZero || length == 1)
  }

  mutating func patients() throws {
    var refused: Set<PatientID> = []
    try copy(
      "patients",
      "record_id, patient_id, version, majority, time_zone_data_version, position, recorded, "
        + "recorded_by, majority_day", from: "patient_version"
    ) { row in
      let patient = try row.get(1, as: PatientID.self)
      guard isWanted(patient) else { return }
      let record = PatientRecord(
        recordID: try row.get(0), id: patient, version: Int(try row.get(2, as: Int32.self)),
        majority: try row.get(3, as: Instant?.self), timeZoneDataVersion: try row.get(4),
        stamp: try Stamp(row, from: 5), majorityDay: try row.get(8, as: LocalDay?.self))
      if !receiver.patient(record) { refused.insert(patient) }
    }
    for patient in refused { give(up: patient) }
  }

  mutating func grants() throws {
    var refused: Set<PatientID> = []
    var (parties, obligations) = (parties, obligations)
    try copy(
      "grants",
      "instrument_id, grant_id, part, effect, scope_kind, scope_key, present_only, uses, "
        + "audiences, channels, recipients, disclosers, effective_from, expiry_kind, expiry_day, "
        + "effective_until, expiry_event_id, without_derivatives, obligations, patient_id",
      from: "consent_grant"
    ) { row in
      let patient = try row.get(19, as: PatientID.self)
      guard isWanted(patient) else { return }
      guard let recipients = try row.withBytes(10, { parties.value($0) }),
        let disclosers = try row.withBytes(11, { parties.value($0) }),
        let duties = try row.withBytes(18, { obligations.value($0) }),
        let grant = try Grant(
          row, recipients: recipients, disclosers: disclosers, obligations: duties),
        receiver.grant(grant, of: try row.get(0), patient: patient)
      else {
        refused.insert(patient)
        return
      }
    }
    for patient in refused { give(up: patient) }
  }

  mutating func papers() throws {
    var refused: Set<PatientID> = []
    var bodies = bodies
    let omitted = PaperBody.inColumns.joined(separator: ",")
    try copy(
      "papers",
      "instrument_id, patient_id, grant_count, signed_day, signed_at, position, recorded, "
        + "recorded_by, received_day, received, document_sha256, "
        + "coalesce(body->>'informationDescription', ''), body - '{\(omitted)}'::text[], "
        + "coalesce(body->>'id' = instrument_id::text AND body->>'patient' = patient_id::text, "
        + "false)", from: "instrument"
    ) { row in
      let patient = try row.get(1, as: PatientID.self)
      guard isWanted(patient) else { return }
      guard try row.get(13, as: Bool.self),
        let body = try row.withBytes(12, { bodies.value($0) })
      else {
        refused.insert(patient)
        return
      }
      let instant = try row.get(4, as: Instant?.self)
      let paper = Instrument(
        id: try row.get(0), patient: patient, kind: body.kind, form: body.form,
        statements: body.statements, informationDescription: try row.get(11),
        signer: body.signer, isSigned: body.isSigned,
        signed: try row.get(3, as: LocalDay?.self).map { SignedTime(day: $0, instant: instant) },
        receivedDay: try row.get(8), received: try row.get(9),
        compoundParts: body.compoundParts, conditionedParts: body.conditionedParts,
        copyGiven: body.copyGiven, documentSHA256: try row.get(10, as: String?.self),
        defects: body.defects, stamp: try Stamp(row, from: 5))
      if !receiver.paper(paper, grants: Int(try row.get(2, as: Int32.self))) {
        refused.insert(patient)
      }
    }
    for patient in refused { give(up: patient) }
  }

  mutating func revocations() throws {
    var refused: Set<PatientID> = []
    try copy(
      "revocations", "revocation_id, patient_id, position, recorded, recorded_by, body",
      from: "revocation"
    ) { row in
      let patient = try row.get(1, as: PatientID.self)
      guard isWanted(patient) else { return }
      let stamp = try Stamp(row, from: 2)
      let json = try row.get(5, as: PostgresJSON.self)
      guard
        case .revocation(let revocation)? = RecordBody.decode(
          .revocation, json.utf8, stamp: stamp),
        revocation.patient == patient, revocation.id == (try row.get(0)),
        receiver.revocation(revocation)
      else {
        refused.insert(patient)
        return
      }
    }
    for patient in refused { give(up: patient) }
  }
}

extension RawSpan {
  fileprivate func starts(with text: [UInt8]) -> Bool {
    guard byteCount >= text.count else { return false }
    for place in text.indices
    where unsafe unsafeLoadUnaligned(fromByteOffset: place, as: UInt8.self) != text[place] {
      return false
    }
    return true
  }
}

extension PostgresStatement {
  /// Patients of whom there is more than versions, papers and revocations.
  fileprivate static let unplainPatients = PostgresStatement(
    name: "unplain_patients",
    sql: """
      SELECT survivor_id FROM patient_merge WHERE organization_id = $1
      UNION SELECT merged_id FROM patient_merge WHERE organization_id = $1
      UNION SELECT patient_id FROM entered_in_error
      WHERE organization_id = $1 AND patient_id IS NOT NULL
      UNION SELECT other_patient_id FROM entered_in_error
      WHERE organization_id = $1 AND other_patient_id IS NOT NULL
      UNION SELECT patient_id FROM false_information WHERE organization_id = $1
      UNION SELECT patient_id FROM authority_evidence WHERE organization_id = $1
      UNION SELECT patient_id FROM restriction_end WHERE organization_id = $1
      UNION SELECT patient_id FROM expiry_event
      WHERE organization_id = $1 AND patient_id IS NOT NULL
      UNION SELECT patient_id FROM consent_grant
      WHERE organization_id = $1 AND expiry_event_id IS NOT NULL
      """)
  /// Images of which there is more than one plain version.
  fileprivate static let unplainImages = PostgresStatement(
    name: "unplain_images",
    sql: """
      SELECT image_key FROM image_version
      WHERE organization_id = $1
        AND (version <> 1 OR source_count <> 0 OR part2_system IS NOT NULL
          OR part2_value IS NOT NULL)
      UNION SELECT image_key FROM image_source WHERE organization_id = $1
      UNION SELECT image_key FROM determination WHERE organization_id = $1
      UNION SELECT image_key FROM determination_withdrawal WHERE organization_id = $1
      UNION SELECT image_key FROM entered_in_error
      WHERE organization_id = $1 AND image_key IS NOT NULL
      """)
}
