internal import ConsentCore
internal import Crypto
internal import Postgres

extension PostgresView {
  func put(identity: PatientIdentity, of patient: PatientID, record: RecordID) throws {
    let keys = try dataKeys()
    guard let keyVersion = keys.sealing.keys.max(), let sealing = keys.sealing[keyVersion],
      let lookup = keys.lookup.values.first
    else { throw StoreError.unavailable("the organization has no data keys") }
    let sealed = try KeyRing.seal(
      RecordBody.encode(identity), with: sealing, bound: binding(patient, record))
    hasWritten = true
    ahead?.forgetIdentity(of: patient)
    let version: Int32 = try connection.execute(
      .putIdentity, id, patient, record, keyVersion, sealed, now
    ).single().get(0)
    var rows = RowSet(.patientLookup, organization: id)
    for hash in Set(IdentityLookup.terms(of: identity).map { KeyRing.hash($0, with: lookup) }) {
      rows.add(.bytes(hash), .id(patient), .int4(version))
    }
    let results = try connection.pipeline { try rows.insert(into: &$0) }
    if let failure = results.firstFailure { throw failure }
  }

  func identity(of patient: PatientID) throws -> PatientIdentity? {
    let read = try ahead?.identity(of: patient) ?? connection.execute(.identity, id, patient)
    guard let row = read.first else { return nil }
    let (record, version, sealed) = try row.decode(RecordID.self, Int32.self, [UInt8].self)
    guard let key = try dataKeys().sealing[version],
      let json = try? KeyRing.open(sealed, with: key, bound: binding(patient, record)),
      let identity: PatientIdentity = RecordBody.decode(json)
    else { throw StoreError.unreadable("a sealed identity") }
    return identity
  }

  func patients(identifiedBy identifier: Identifier) throws -> [PatientID] {
    try patients(by: IdentityLookup.term(identifier: identifier))
  }

  func patients(name: String, birthDate: LocalDay?) throws -> [PatientID] {
    try patients(by: IdentityLookup.term(name: name, birthDate: birthDate))
  }

  private func patients(by term: [UInt8]) throws -> [PatientID] {
    guard let key = try dataKeys().lookup.values.first else { return [] }
    return try connection.execute(.patientsByHash, id, KeyRing.hash(term, with: key)).rows.map {
      try $0.get(0)
    }
  }

  /// The data keys, unwrapped once and remembered.
  private func dataKeys() throws -> KeyRing.DataKeys {
    if let known = keys.keys(of: id) { return known }
    var found = KeyRing.DataKeys()
    for row in try connection.execute(.dataKeys, id).rows {
      let (purpose, version, wrapped) = try row.decode(Int16.self, Int32.self, [UInt8].self)
      guard let purpose = KeyRing.Purpose(rawValue: purpose) else {
        throw StoreError.unreadable("the purpose of a data key")
      }
      let key = try keys.unwrap(wrapped, id, purpose, version: version)
      switch purpose {
      case .sealing: found.sealing[version] = key
      case .lookup: found.lookup[version] = key
      }
    }
    if !found.sealing.isEmpty { keys.remember(found, of: id) }
    return found
  }

  /// A sealed identity moved to another patient, record or organization does not open.
  private func binding(_ patient: PatientID, _ record: RecordID) -> [UInt8] {
    var form = CanonicalBytes()
    form.append(text: "consentd identity")
    form.append(id)
    form.append(patient)
    form.append(record)
    return form.bytes
  }
}

extension PostgresStatement {
  fileprivate static let putIdentity = PostgresStatement(
    name: "put_identity",
    sql: """
      INSERT INTO patient_identity
        (organization_id, patient_id, version, record_id, key_version, sealed, recorded)
      SELECT $1, $2, 1 + COALESCE(max(version), 0), $3, $4, $5, $6
      FROM patient_identity WHERE organization_id = $1 AND patient_id = $2
      RETURNING version
      """)
  static let identity = PostgresStatement(
    name: "identity",
    sql: """
      SELECT record_id, key_version, sealed FROM patient_identity
      WHERE organization_id = $1 AND patient_id = $2 ORDER BY version DESC LIMIT 1
      """)
  fileprivate static let patientsByHash = PostgresStatement(
    name: "patients_by_hash",
    sql: """
      SELECT l.patient_id FROM patient_lookup l
      WHERE l.organization_id = $1 AND l.hash = $2
        AND l.version = (
          SELECT max(i.version) FROM patient_identity i
          WHERE i.organization_id = $1 AND i.patient_id = l.patient_id)
      ORDER BY l.patient_id
      """)
  fileprivate static let dataKeys = PostgresStatement(
    name: "data_keys",
    sql: "SELECT purpose, version, wrapped FROM data_key WHERE organization_id = $1")
}
