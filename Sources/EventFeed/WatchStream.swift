internal import ConsentCore
internal import ConsentStore

/// Where a watch begins.
public enum WatchStart: Hashable, Sendable {
  /// After a place the watcher has reached, with its history.
  case after(WatchCursor)
  /// After a position whose history the watcher does not know; nothing is compared at the start.
  case afterPosition(UInt64)
  /// At the head: only what is recorded from now on.
  case now
}

/// One organization's events from a place on, without end: batches in order, and heartbeats.
///
/// It pulls: nothing is read or kept for it while nobody asks for the next message. It ends when
/// the hub closes, and throws `WatchError`, `StoreError` or `CancellationError`; watching again from
/// the last message's cursor loses and repeats nothing.
public struct WatchStream: AsyncSequence, Sendable {
  public typealias Element = WatchMessage

  let hub: WatchHub
  let lease: StreamLease
  let organization: OrganizationID
  let start: WatchCursor
  let filter: WatchFilter
  let heartbeatMicroseconds: Int64

  /// Where the stream begins.
  public var cursor: WatchCursor { start }

  public func makeAsyncIterator() -> Iterator { Iterator(stream: self, cursor: start) }

  public struct Iterator: AsyncIteratorProtocol {
    private let stream: WatchStream
    private var cursor: WatchCursor
    private var generation: UInt64?
    /// The first heartbeat is due at once: it tells the watcher that it has caught up.
    private var heartbeatDue = Int64.min

    init(stream: WatchStream, cursor: WatchCursor) {
      self.stream = stream
      self.cursor = cursor
    }

    public mutating func next() async throws -> WatchMessage? {
      let hub = stream.hub
      while true {
        let request = PullRequest(
          organization: stream.organization, cursor: cursor, generation: generation,
          heartbeatDue: heartbeatDue)
        guard let pulled = try await hub.pull(request) else { return nil }
        cursor = pulled.cursor
        generation = pulled.generation
        let rows = pulled.rows.filter { stream.filter.passes($0.event) }
        // A long stretch of which nothing passes still tells its progress.
        guard !rows.isEmpty || pulled.rows.isEmpty || hub.clock.uptime() >= heartbeatDue else {
          continue
        }
        let (due, overflow) = hub.clock.uptime().addingReportingOverflow(
          stream.heartbeatMicroseconds)
        heartbeatDue = overflow ? .max : due
        return WatchMessage(rows: rows, cursor: cursor, head: pulled.head, asOf: pulled.asOf)
      }
    }
  }
}

/// What a stream asks the hub for.
struct PullRequest: Sendable {
  var organization: OrganizationID
  var cursor: WatchCursor
  /// The history the cursor was last compared with.
  var generation: UInt64?
  /// Uptime at which an empty answer is wanted.
  var heartbeatDue: Int64
}

/// What the hub gives: the next rows, or none if a heartbeat is due.
struct Pulled: Sendable {
  var rows: [FeedRow]
  var cursor: WatchCursor
  var generation: UInt64
  var head: UInt64
  var asOf: Instant
}
