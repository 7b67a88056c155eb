/// Limits and intervals of the watch hub; times in microseconds of uptime.
public struct WatchConfiguration: Sendable {
  /// How often the feeds' heads are read when nothing wakes the hub.
  public var pollIntervalMicroseconds: Int64
  /// How long after the last successful read streams end as unavailable.
  public var unavailableAfterMicroseconds: Int64
  /// Rows of one feed held in memory, for all its streams together (up to twice as many).
  public var rowsHeld: Int
  /// Rows in one message and in one page read from the store.
  public var rowsPerPage: Int
  /// Reads of old rows under way at the same time, for all streams together.
  public var concurrentReads: Int
  public var maximumStreams: Int

  public init(
    pollIntervalMicroseconds: Int64 = 100_000, unavailableAfterMicroseconds: Int64 = 30_000_000,
    rowsHeld: Int = 1_024, rowsPerPage: Int = 256, concurrentReads: Int = 4,
    maximumStreams: Int = 10_000
  ) {
    precondition(pollIntervalMicroseconds > 0 && unavailableAfterMicroseconds > 0)
    precondition(rowsHeld > 0 && rowsPerPage > 0 && concurrentReads > 0 && maximumStreams > 0)
    self.pollIntervalMicroseconds = pollIntervalMicroseconds
    self.unavailableAfterMicroseconds = unavailableAfterMicroseconds
    self.rowsHeld = rowsHeld
    self.rowsPerPage = rowsPerPage
    self.concurrentReads = concurrentReads
    self.maximumStreams = maximumStreams
  }
}
