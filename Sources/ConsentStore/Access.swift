public import ConsentCore

/// One read of patient records, as it is logged before its answer leaves.
public struct Access: Hashable, Sendable {
  /// Who asked, as in `DecisionEntry.caller`.
  public var caller: String
  /// The RPC without its leading slash, such as "consent.v1.RecordService/GetImage".
  public var method: String
  /// Whose records were read; empty when the question named none that exists.
  public var patients: [PatientID]
  /// What was asked for, in short: an id, a key or a period. Never a name or a day of birth.
  public var subject: String?
  public var at: Instant

  public init(
    caller: String, method: String, patients: [PatientID], subject: String?, at: Instant
  ) {
    self.caller = caller
    self.method = method
    self.patients = patients
    self.subject = subject
    self.at = at
  }
}

public struct LoggedAccess: Hashable, Sendable {
  public var id: DecisionID
  public var access: Access
  /// The head of the feed in the transaction that logged it.
  public var head: FeedHead
  /// `nil` for what is read back and whose tree is not looked at.
  public var receipt: LogReceipt?

  public init(id: DecisionID, access: Access, head: FeedHead, receipt: LogReceipt? = nil) {
    self.id = id
    self.access = access
    self.head = head
    self.receipt = receipt
  }
}

/// Which logged accesses to list; every given field must match.
public struct AccessFilter: Hashable, Sendable {
  /// One of the patients whose records were read.
  public var patient: PatientID?
  public var caller: String?
  public var from: Instant?
  /// Exclusive.
  public var until: Instant?

  public init(
    patient: PatientID? = nil, caller: String? = nil, from: Instant? = nil, until: Instant? = nil
  ) {
    self.patient = patient
    self.caller = caller
    self.from = from
    self.until = until
  }
}

/// Keeps who read what of whom, and where the feed stood, in the activity log of this node's run.
public protocol ActivityStore: Sendable {
  /// Logs reads of patient records.
  ///
  /// INVARIANT: returns only when the records are known to be committed. Whoever gets an error gives
  /// no answer; what was logged of it may stand all the same, once.
  /// - Returns: in the order of `accesses`, each with the head of the appending transaction, which
  ///   may be later than the one that was read at.
  /// - Throws: `StoreError`; `InvalidChange` if one is too long to be stored.
  func log(_ accesses: [Access], of organization: OrganizationID) async throws -> [LoggedAccess]

  /// Logged accesses in order of (instant, log, leaf), at most `limit`.
  ///
  /// An access is listed at its own instant, which may lie before that of one that was logged
  /// earlier: a page after `cursor` shows what is later in this order, and not what has been logged
  /// since below it. With `filter.until` some seconds in the past, pages are whole.
  /// - Parameter cursor: the last of the page before.
  /// - Throws: `InvalidChange` if `cursor` is no logged access.
  func accesses(
    of organization: OrganizationID, _ filter: AccessFilter, after cursor: DecisionID?, limit: Int
  ) async throws -> [LoggedAccess]

  /// Logs where the feed stands, if it moved since this node's activity log last told.
  /// - Returns: whether a record was written.
  func anchorFeed(of organization: OrganizationID) async throws -> Bool
}

extension AccessFilter {
  func matches(_ logged: LoggedAccess) -> Bool {
    let access = logged.access
    if let patient, !access.patients.contains(patient) { return false }
    if let caller, access.caller != caller { return false }
    if let from, access.at < from { return false }
    if let until, access.at >= until { return false }
    return true
  }
}
