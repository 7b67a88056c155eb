public import ConsentCore
public import ConsentStore

/// The wall clock, and time that never steps, for what waits and measures.
///
/// Instants of ends come from the wall clock alone; how long something took, and when to look
/// again, from `uptime`: a wall clock set back must not stop heartbeats or retries.
public protocol FeedClock: WallClock {
  /// Microseconds since some fixed instant of this process; never goes back.
  func uptime() -> Int64
  /// Returns after `microseconds` of uptime.
  /// - Throws: `CancellationError` if the task is cancelled meanwhile.
  func sleep(microseconds: Int64) async throws
}

/// A wall clock joined with the system's monotonic clock.
public struct SystemFeedClock: FeedClock {
  private let wall: any WallClock
  private let start = ContinuousClock.now

  public init(wall: any WallClock) { self.wall = wall }

  public func now() -> Instant { wall.now() }

  public var doubt: String? { wall.doubt }

  public func uptime() -> Int64 {
    let (seconds, attoseconds) = (ContinuousClock.now - start).components
    return seconds * 1_000_000 + attoseconds / 1_000_000_000_000
  }

  public func sleep(microseconds: Int64) async throws {
    try await Task.sleep(for: .microseconds(microseconds), clock: .continuous)
  }
}
