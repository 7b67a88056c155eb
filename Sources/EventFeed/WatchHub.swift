public import ConsentCore
public import ConsentStore

/// Follows the feeds of all organizations with one poll, and serves every watch stream of the node
/// from memory, or from the store where a stream is behind.
///
/// INVARIANT: nothing above a feed's `tail.end` leaves, and a stream's cursor moves only over rows
/// that follow it by position and chain. So each stream tells every row exactly once, in order,
/// wherever it began and however slow it is.
public actor WatchHub {
  let source: any FeedSource
  nonisolated let clock: any FeedClock
  let configuration: WatchConfiguration
  let ledger: StreamLedger
  /// Told of each new head, for what else follows the feed on this node.
  let advanced: @Sendable (OrganizationID, FeedHead) -> Void
  private let signal = WakeSignal()

  var feeds: [OrganizationID: FollowedFeed] = [:]
  var isClosed = false
  private var lastPoll: Task<Bool, Never>?
  private var nextWaiter: UInt64 = 0
  private var readsUnderWay = 0
  private var readQueue: [CheckedContinuation<Void, Never>] = []

  public init(
    source: any FeedSource, clock: any FeedClock, configuration: WatchConfiguration = .init(),
    advanced: @escaping @Sendable (OrganizationID, FeedHead) -> Void = { _, _ in }
  ) {
    self.source = source
    self.clock = clock
    self.configuration = configuration
    self.advanced = advanced
    ledger = StreamLedger(maximum: configuration.maximumStreams)
  }

  /// Something was written on this node: look at once.
  public nonisolated func wake() { signal.raise() }

  /// Open streams, for metrics.
  public nonisolated var openStreams: Int { ledger.total }

  /// Polls until the task is cancelled, then ends every stream. After failures it waits longer and
  /// longer, up to 5 s, also when it is woken.
  public func run() async {
    var failures = 0
    while !Task.isCancelled {
      if await poll() {
        failures = 0
        await signal.wait(atMost: configuration.pollIntervalMicroseconds, clock: clock)
      } else {
        failures += 1
        let delay = Backoff.delay(
          failures: failures, first: configuration.pollIntervalMicroseconds, most: 5_000_000)
        try? await clock.sleep(microseconds: delay)
      }
    }
    close()
  }

  /// Reads every feed's head once and passes on what is new.
  /// - Returns: false if the store could not be read.
  @discardableResult
  public func poll() async -> Bool { await poll(only: nil) }

  /// Begins a stream.
  ///
  /// - Parameter heartbeatMicroseconds: uptime between messages after which an empty one is sent.
  /// - Throws: `WatchError.historyReplaced` if the feed does not hold the cursor; `tooManyStreams`;
  ///   what the store throws, such as `StoreError.unknownOrganization`.
  public func subscribe(
    _ organization: OrganizationID, from start: WatchStart, filter: WatchFilter = .init(),
    heartbeatMicroseconds: Int64 = 15_000_000
  ) async throws -> WatchStream {
    precondition(heartbeatMicroseconds > 0)
    let lease = try ledger.open(organization)
    let cursor: WatchCursor
    switch start {
    case .after(let given):
      cursor = given
      try await compare(given, of: organization)
    case .afterPosition(let position):
      let before = feeds[organization]
      let page = try await source.page(organization, after: position, limit: 1)
      guard let held = page.start else { throw WatchError.historyReplaced(at: position) }
      cursor = WatchCursor(held)
      try await refresh(before, ifStaleBeside: page, of: organization)
    case .now:
      // Read anew: what was acknowledged before this call is not "from now on".
      guard let head = try await source.publishableHeads([organization])[organization] else {
        throw StoreError.unknownOrganization
      }
      cursor = WatchCursor(try head.get())
    }
    return WatchStream(
      hub: self, lease: lease, organization: organization, start: cursor, filter: filter,
      heartbeatMicroseconds: heartbeatMicroseconds)
  }

  /// Ends every stream in good order, so that watchers go to another node.
  public func close() {
    isClosed = true
    for organization in feeds.keys { resumeWaiters(of: organization, .closed) { _ in true } }
  }

  // MARK: Serving a stream

  /// - Returns: `nil` when the hub is closed.
  func pull(_ request: PullRequest) async throws -> Pulled? {
    let organization = request.organization
    let cursor = request.cursor
    var generation = request.generation
    while !isClosed {
      try Task.checkCancellation()
      let feed = try await followed(organization)
      if generation != feed.generation {
        if generation != nil { try await compare(cursor, of: organization) }
        generation = feed.generation
        continue
      }
      var rows: [FeedRow] = []
      switch feed.tail.slice(after: cursor, limit: configuration.rowsPerPage) {
      case .rows(let held): rows = held
      case .behind: rows = try await readRows(of: organization, after: cursor, to: feed.tail.end)
      case .diverged:
        try await compare(cursor, of: organization)
        continue
      case .atEnd, .ahead:
        // Above what this node has read no heartbeat can say what was seen.
        let isAhead = cursor.position > feed.tail.end.position
        switch await wait(organization, heartbeatDue: isAhead ? .max : request.heartbeatDue) {
        case .changed: continue
        case .cancelled: throw CancellationError()
        case .unavailable: throw WatchError.unavailable
        case .closed: return nil
        case .heartbeat: break
        }
      }
      // A heartbeat reports the read that brought it; rows, the read before them.
      let now = feeds[organization] ?? feed
      guard now.generation == feed.generation else { continue }
      guard rows.isEmpty == false || now.tail.end == cursor else { continue }
      return Pulled(
        rows: rows, cursor: rows.last.map(WatchCursor.init) ?? cursor, generation: feed.generation,
        head: now.tail.end.position, asOf: now.readAt)
    }
    return nil
  }

  private func followed(_ organization: OrganizationID) async throws -> FollowedFeed {
    if let feed = feeds[organization] { return feed }
    guard await poll(only: [organization]), let feed = feeds[organization] else {
      throw WatchError.unavailable
    }
    return feed
  }

  /// - Throws: `WatchError.historyReplaced` unless the stored feed holds `cursor`.
  private func compare(_ cursor: WatchCursor, of organization: OrganizationID) async throws {
    let before = feeds[organization]
    let page = try await source.page(organization, after: cursor.position, limit: 1)
    guard page.start?.chain == cursor.chain else {
      throw WatchError.historyReplaced(at: cursor.position)
    }
    try await refresh(before, ifStaleBeside: page, of: organization)
  }

  /// A feed that went back to an earlier state of itself: what is held of it may have been lost,
  /// and only the stored feed tells which of two histories a cursor belongs to.
  ///
  /// - Parameter feed: what was held before the page was read. What has been read since then may be
  ///   newer than the page, which says nothing of the feed.
  private func refresh(
    _ feed: FollowedFeed?, ifStaleBeside page: FeedPage, of organization: OrganizationID
  ) async throws {
    guard let feed, let start = page.start else { return }
    switch feed.tail.slice(after: WatchCursor(start), limit: 1) {
    case .rows(let held) where held.first == page.rows.first: return
    case .behind where !page.rows.isEmpty: return
    case .atEnd, .ahead: return
    case .rows, .behind, .diverged: break
    }
    guard await poll(only: [organization]), let now = feeds[organization],
      now.generation != feed.generation || now.tail.end != feed.tail.end
    else { throw WatchError.unavailable }
  }

  private func readRows(
    of organization: OrganizationID, after cursor: WatchCursor, to end: WatchCursor
  ) async throws -> [FeedRow] {
    await takeRead()
    defer { giveBackRead() }
    let before = feeds[organization]
    let page = try await source.page(
      organization, after: cursor.position, limit: configuration.rowsPerPage)
    guard page.start?.chain == cursor.chain else {
      throw WatchError.historyReplaced(at: cursor.position)
    }
    let rows = page.rows.prefix { $0.position <= end.position }
    if page.rows.isEmpty {
      // The feed has gone back to the cursor; nothing is told before that is taken in.
      try await refresh(before, ifStaleBeside: page, of: organization)
      return []
    }
    guard !rows.isEmpty, rows.follow(cursor.position) else {
      throw StoreError.unreadable("feed has a gap after position \(cursor.position)")
    }
    return Array(rows)
  }

  private func takeRead() async {
    if readsUnderWay < configuration.concurrentReads {
      readsUnderWay += 1
    } else {
      // The place is handed over, not given back: see `giveBackRead`.
      await withCheckedContinuation { readQueue.append($0) }
    }
  }

  private func giveBackRead() {
    if readQueue.isEmpty { readsUnderWay -= 1 } else { readQueue.removeFirst().resume() }
  }

  // MARK: Waiting

  private func wait(
    _ organization: OrganizationID, heartbeatDue: Int64
  ) async -> FollowedFeed.Wake {
    nextWaiter += 1
    let number = nextWaiter
    return await withTaskCancellationHandler {
      await withCheckedContinuation { continuation in
        // A task cancelled before it came here has run its handler already.
        if Task.isCancelled { return continuation.resume(returning: .cancelled) }
        feeds[organization]?.waiters[number] = .init(
          continuation: continuation, heartbeatDue: heartbeatDue)
        if feeds[organization] == nil { continuation.resume(returning: .changed) }
      }
    } onCancel: {
      Task { await self.resumeWaiters(of: organization, .cancelled) { $0 == number } }
    }
  }

  func resumeWaiters(
    of organization: OrganizationID, _ wake: FollowedFeed.Wake, where chosen: (UInt64) -> Bool
  ) {
    guard let waiters = feeds[organization]?.waiters else { return }
    for (number, waiter) in waiters where chosen(number) {
      feeds[organization]?.waiters[number] = nil
      waiter.continuation.resume(returning: wake)
    }
  }

  // MARK: Polling

  /// One poll at a time: a later one begins when the one before has ended, and so reads what was
  /// committed before it was asked for.
  private func poll(only organizations: [OrganizationID]?) async -> Bool {
    let before = lastPoll
    let task = Task {
      _ = await before?.value
      return await self.pollOnce(organizations)
    }
    lastPoll = task
    return await task.value
  }
}

/// What the hub knows of one feed.
struct FollowedFeed {
  enum Wake: Sendable {
    case changed
    case heartbeat
    case unavailable
    case closed
    case cancelled
  }

  struct Waiter {
    var continuation: CheckedContinuation<Wake, Never>
    var heartbeatDue: Int64
  }

  var tail: FeedTail
  /// Counts the histories seen: it moves when the feed was replaced.
  var generation: UInt64 = 0
  /// When the last successful read of the head began, by wall clock and by uptime.
  var readAt: Instant
  var readUptime: Int64
  var waiters: [UInt64: Waiter] = [:]
}

extension Sequence where Element == FeedRow {
  /// Whether the positions are dense after `position`.
  func follow(_ position: UInt64) -> Bool {
    var last = position
    for row in self {
      guard row.position == last &+ 1 else { return false }
      last = row.position
    }
    return true
  }
}
