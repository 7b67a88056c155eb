public import ConsentCore

/// One read of patient records, as it is logged before its answer leaves.
public struct Access: Hashable, Sendable {
  /// Who asked, as in `DecisionEntry.caller`.
  public var caller: String
  /// The name of the RPC, such as "GetPatient".
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
