/// How the expiry scheduler works; times in microseconds of uptime.
public struct ExpiryConfiguration: Sendable {
  /// The name its changes are recorded under.
  public var caller: String
  /// How long one transaction may hold an organization's lock: after that it commits what it has.
  public var lockMicroseconds: Int64
  /// Patients in one transaction, whatever time is left.
  public var patientsPerSlice: Int
  /// Patients looked at in one snapshot.
  public var patientsPerPage: Int
  /// Waited between two transactions on one organization, so that changes go first.
  public var pauseMicroseconds: Int64
  /// After a round, how long changes gather before the next one looks at them.
  public var settleMicroseconds: Int64
  /// Longest sleep: a wall clock set forth is noticed, and new organizations are, within it.
  public var longestSleepMicroseconds: Int64
  public var firstRetryMicroseconds: Int64
  public var longestRetryMicroseconds: Int64
  /// Feed rows read in one snapshot.
  public var rowsPerPage: Int

  public init(
    caller: String = "expiry", lockMicroseconds: Int64 = 20_000, patientsPerSlice: Int = 32,
    patientsPerPage: Int = 64, pauseMicroseconds: Int64 = 20_000,
    settleMicroseconds: Int64 = 200_000,
    longestSleepMicroseconds: Int64 = 10_000_000, firstRetryMicroseconds: Int64 = 200_000,
    longestRetryMicroseconds: Int64 = 60_000_000, rowsPerPage: Int = 1_000
  ) {
    precondition(
      lockMicroseconds > 0 && pauseMicroseconds >= 0 && settleMicroseconds >= 0
        && longestSleepMicroseconds > 0)
    precondition(patientsPerSlice > 0 && patientsPerPage > 0 && rowsPerPage > 0)
    precondition(firstRetryMicroseconds > 0 && longestRetryMicroseconds >= firstRetryMicroseconds)
    self.caller = caller
    self.lockMicroseconds = lockMicroseconds
    self.patientsPerSlice = patientsPerSlice
    self.patientsPerPage = patientsPerPage
    self.pauseMicroseconds = pauseMicroseconds
    self.settleMicroseconds = settleMicroseconds
    self.longestSleepMicroseconds = longestSleepMicroseconds
    self.firstRetryMicroseconds = firstRetryMicroseconds
    self.longestRetryMicroseconds = longestRetryMicroseconds
    self.rowsPerPage = rowsPerPage
  }
}
