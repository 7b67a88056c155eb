public import ConsentCore
public import ConsentStore

/// What a watch stream yields: events with the place reached, or a heartbeat.
public struct WatchMessage: Sendable {
  /// The rows that pass the filter, in order; empty in a heartbeat.
  public var rows: [FeedRow]
  /// Resuming from here loses nothing and repeats nothing, also where everything was filtered out.
  public var cursor: WatchCursor
  /// The head this node had read when the message was made.
  public var head: UInt64
  /// When the read of that head began, by the wall clock: nothing recorded before it is above
  /// `head`.
  public var asOf: Instant

  public var isHeartbeat: Bool { rows.isEmpty }

  public init(rows: [FeedRow], cursor: WatchCursor, head: UInt64, asOf: Instant) {
    self.rows = rows
    self.cursor = cursor
    self.head = head
    self.asOf = asOf
  }
}
