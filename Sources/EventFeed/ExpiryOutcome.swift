public import ConsentCore
public import ConsentStore

/// What one round did for one organization: for metrics and the log.
public struct ExpiryOutcome: Sendable {
  public var organization: OrganizationID
  /// The instant it worked for.
  public var at: Instant
  /// Events appended, by kind.
  public var emitted: [EventKind: Int]
  /// How late the latest of them was: from its instant to `at`. After a failure, how long
  /// something has been due.
  public var lagMicroseconds: Int64
  /// Transactions under the organization's lock, and the longest of them.
  public var slices: Int
  public var longestSliceMicroseconds: Int64
  /// Patients whose records could not be worked on; they are tried again.
  public var failedPatients: Int
  /// When something is due next; `nil` if nothing is planned.
  public var next: Instant?
  /// Why the round was broken off; `nil` if it was not.
  public var failure: StoreError?

  init(organization: OrganizationID, at: Instant) {
    self.organization = organization
    self.at = at
    emitted = [:]
    lagMicroseconds = 0
    slices = 0
    longestSliceMicroseconds = 0
    failedPatients = 0
  }
}
