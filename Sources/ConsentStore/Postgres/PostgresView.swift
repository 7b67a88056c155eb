internal import ConsentCore
internal import Postgres

/// One organization as one transaction sees it.
///
/// Lives on the lane's thread for the length of that transaction. Reads are statements; a body that
/// asks for much in one call is answered faster than one that asks often.
final class PostgresView: FactWriter {
  private let session: PostgresConnection
  /// What the changes before and this one add; reads have none.
  let pending: PendingRows?
  /// What was read for it beforehand; reads have none.
  let ahead: ReadAhead?
  let organization: OrganizationSettings
  let keys: KeyRing
  /// Moves with each change appended.
  var head: FeedHead
  let now: Instant
  let caller: String
  /// The log of this change, which nothing else appends to; reads have none.
  var log: LogState?
  /// Something may have been written. INVARIANT: set before the first statement that writes, so
  /// that a body that throws without it has left no trace.
  var hasWritten = false
  /// What this snapshot holds of decisions that are not looked up; `nil`: not asked yet.
  var seenNotLookedUp: NotLookedUp??

  init(
    _ connection: PostgresConnection, _ entry: TransactionEntry, keys: KeyRing, clock: Instant,
    caller: String = "", log: ID<DecisionLog>? = nil, pending: PendingRows? = nil,
    ahead: ReadAhead? = nil
  ) {
    session = connection
    self.pending = pending
    self.ahead = ahead
    organization = entry.organization
    self.keys = keys
    head = entry.head
    now = max(clock, entry.head.known)
    self.caller = caller
    self.log = log.map { LogState(.change, id: $0) }
  }

  var id: OrganizationID { organization.id }

  /// For statements, which see all that was added before.
  var connection: PostgresConnection {
    get throws {
      if let pending, pending.isSeen { try pending.flush() }
      return session
    }
  }

  var isTransactionIntact: Bool { session.isTransactionIntact }

  func images(study uid: String) throws -> [ImageKey] {
    try keys(connection.execute(.imagesOfStudy, id, uid))
  }

  func images(series uid: String) throws -> [ImageKey] {
    try keys(connection.execute(.imagesOfSeries, id, uid))
  }

  private func keys(_ result: PostgresResult) throws -> [ImageKey] {
    try result.rows.map { row in
      guard let key = ImageKey(text: try row.get(0)) else {
        throw StoreError.unreadable("an image key")
      }
      return key
    }
  }

  func patients(after cursor: PatientID?, limit: Int) throws -> [PatientID] {
    let after = cursor ?? PatientID(high: 0, low: 0)
    return try connection.execute(
      .patientsAfter, id, after, cursor == nil, Int64(max(0, limit))
    ).rows.map { try $0.get(0) }
  }

  func patient(of record: RecordReference) throws -> PatientID? {
    if record.kind == .image {
      return try connection.execute(.patientOfImageVersion, id, record.id).first?.get(0)
    }
    switch try subject(of: record) {
    case nil, .organization?: return nil
    case .patient(let patient)?: return patient
    case .patients(let survivor, _)?: return survivor
    case .image(let key)?:
      return try connection.execute(.patientOfImage, id, key.text).first?.get(0)
    }
  }

  /// Whom a recorded record is about; `nil` if it is not recorded.
  func subject(of record: RecordReference) throws -> RecordSubject? {
    let statement = PostgresStatement.subject(record.kind)
    guard let row = try connection.execute(statement, id, record.id).first else { return nil }
    return try RecordSubject(row, from: 0)
  }

  func patient(ofGrant grant: GrantID) throws -> PatientID? {
    try connection.execute(.patientOfGrant, id, grant).first?.get(0)
  }

  func position(knownAt instant: Instant) throws -> UInt64 {
    try connection.execute(.positionKnownAt, id, instant).first?.unsigned(0) ?? 0
  }

  func feed(after position: UInt64, limit: Int) throws -> [FeedRow] {
    try connection.execute(.feedAfter, id, column(position), Int64(max(0, limit)))
      .rows.map { try FeedRow($0, from: 0) }
  }

  func head(at position: UInt64) throws -> FeedHead? {
    guard position <= head.position else { return nil }
    guard position > 0 else { return .empty }
    guard let row = try connection.execute(.headAt, id, column(position)).first else {
      throw StoreError.unreadable("a position below the head is missing from the feed")
    }
    return try FeedHead(row)
  }

  func patientsWithDueWork(at instant: Instant, limit: Int) throws -> [PatientID] {
    try connection.execute(.patientsDue, id, instant, Int64(max(0, limit))).rows.map {
      try $0.get(0)
    }
  }

  func nextDue(after instant: Instant) throws -> Instant? {
    // Planning it takes several times as long as running it, and it is asked after every change.
    let results = try connection.pipeline { pipeline in
      try pipeline.execute(.planOnce)
      try pipeline.execute(.nextDue, id, instant)
    }
    _ = try results.result(0)
    return try results.result(1).single().get(0)
  }

  func grantEnds(of grants: [GrantID]) throws -> [GrantEnd] {
    try connection.execute(.grantEnds, id, grants).rows.map { row in
      let (grant, version, kind, ended) = try row.decode(
        GrantID.self, Int32.self, Int16.self, Instant.self)
      guard let kind = UInt8(exactly: kind).flatMap(EventKind.init(rawValue:)) else {
        throw StoreError.unreadable("the kind of a grant's end")
      }
      return GrantEnd(grant: grant, version: Int(version), kind: kind, ended: ended)
    }
  }

  func hasEvent(kind: EventKind, subject: String) throws -> Bool {
    let event = FeedChain.eventID(organization: id, kind: kind, subject: subject)
    return try connection.execute(.hasEvent, id, event).rowCount > 0
  }
}

extension RecordSubject {
  /// From the columns patient, other patient and image.
  init(_ row: PostgresRow, from column: Int) throws {
    let patient: PatientID? = try row.get(column)
    let other: PatientID? = try row.get(column + 1)
    let text: String? = try row.get(column + 2)
    if let text {
      guard let key = ImageKey(text: text) else { throw StoreError.unreadable("an image key") }
      self = .image(key)
    } else if let patient, let other {
      self = .patients(patient, other)
    } else if let patient {
      self = .patient(patient)
    } else {
      self = .organization
    }
  }
}

extension FeedHead {
  /// From the columns position, chain, known and fact_position.
  init(_ row: PostgresRow, from column: Int = 0) throws {
    self.init(
      position: try row.unsigned(column), chain: try row.get(column + 1),
      known: try row.get(column + 2), factPosition: try row.unsigned(column + 3))
  }
}

extension FeedRow {
  /// From the columns position, chain, known, event_id, event and recorded_by.
  init(_ row: PostgresRow, from column: Int) throws {
    let json: PostgresJSON = try row.get(column + 4)
    guard let event: FeedEvent = RecordBody.decode(json.utf8) else {
      throw StoreError.unreadable("the event of a feed row")
    }
    self.init(
      position: try row.unsigned(column), chain: try row.get(column + 1),
      known: try row.get(column + 2), eventID: try row.get(column + 3), event: event,
      by: try row.get(column + 5))
  }
}
