import ConsentCore
import ConsentStore
import Synchronization
import Testing

@testable import EventFeed

@Suite struct WatchHubTests {
  let clock = ManualClock()

  private func makeHub(
    _ source: any FeedSource, rowsHeld: Int = 8, maximumStreams: Int = 100
  ) -> WatchHub {
    WatchHub(
      source: source, clock: clock,
      configuration: WatchConfiguration(
        unavailableAfterMicroseconds: 1_000_000, rowsHeld: rowsHeld, rowsPerPage: 4,
        maximumStreams: maximumStreams))
  }

  @Test func aWatcherFromNowIsToldOnlyWhatIsRecordedLater() async throws {
    let writer = try await FeedWriter(clock: clock)
    try await writer.grow(by: 3)
    let hub = makeHub(StoreFeedSource(store: writer.store))
    let stream = try await hub.subscribe(writer.organization, from: .now)
    #expect(stream.cursor.position == 3)
    try await writer.grow(by: 1)
    await hub.poll()
    var messages = stream.makeAsyncIterator()
    let message = try #require(try await messages.next())
    #expect(message.rows.map(\.position) == [4])
  }

  @Test func aWaitingWatcherIsWokenByTheNextPoll() async throws {
    let writer = try await FeedWriter(clock: clock)
    let hub = makeHub(StoreFeedSource(store: writer.store))
    await hub.poll()
    let stream = try await hub.subscribe(writer.organization, from: .after(.start))
    async let first = Self.firstRows(of: stream)
    while await hub.feeds[writer.organization]?.waiters.isEmpty ?? true { await Task.yield() }
    try await writer.grow(by: 2)
    await hub.poll()
    #expect(try await first == [1, 2])
  }

  private static func firstRows(of stream: WatchStream) async throws -> [UInt64] {
    for try await message in stream where !message.isHeartbeat {
      return message.rows.map(\.position)
    }
    return []
  }

  @Test func aHeartbeatCarriesThePositionAlsoWhenEverythingIsFilteredOut() async throws {
    let writer = try await FeedWriter(clock: clock)
    try await writer.grow(by: 20)
    let hub = makeHub(StoreFeedSource(store: writer.store))
    let stream = try await hub.subscribe(
      writer.organization, from: .after(.start), filter: WatchFilter(kinds: [.grantExpired]),
      heartbeatMicroseconds: 15_000_000)
    var messages = stream.makeAsyncIterator()
    let progress = try #require(try await messages.next())
    #expect(progress.isHeartbeat && progress.cursor.position > 0)
    clock.advance(microseconds: 15_000_000)
    let later = try #require(try await messages.next())
    #expect(later.isHeartbeat && later.cursor.position > progress.cursor.position)
  }

  @Test func heartbeatsKeepTheirIntervalAndTellWhenTheHeadWasRead() async throws {
    let writer = try await FeedWriter(clock: clock)
    try await writer.grow(by: 1)
    let hub = makeHub(StoreFeedSource(store: writer.store))
    let stream = try await hub.subscribe(
      writer.organization, from: .now, heartbeatMicroseconds: 1_000_000)
    let told = Mutex<[Instant]>([])
    let task = Task {
      for try await message in stream { told.withLock { $0.append(message.asOf) } }
    }
    let start = clock.now()
    for _ in 0..<25 {
      while await hub.feeds[writer.organization]?.waiters.isEmpty ?? true { await Task.yield() }
      clock.advance(microseconds: 100_000)
      await hub.poll()
    }
    await hub.close()
    try await task.value
    #expect(
      told.withLock { $0 } == [100_000, 1_100_000, 2_100_000].map(start.adding(microseconds:)))
  }

  @Test func aCursorOfAnotherHistoryIsRefused() async throws {
    let writer = try await FeedWriter(clock: clock)
    try await writer.grow(by: 5)
    let hub = makeHub(StoreFeedSource(store: writer.store))
    var cursor = try await writer.cursor(at: 3)
    cursor.chain[0] ^= 1
    await #expect(throws: WatchError.historyReplaced(at: 3)) {
      try await hub.subscribe(writer.organization, from: .after(cursor))
    }
  }

  @Test func aCursorBeyondTheFeedIsRefused() async throws {
    let writer = try await FeedWriter(clock: clock)
    try await writer.grow(by: 5)
    let hub = makeHub(StoreFeedSource(store: writer.store))
    let cursor = WatchCursor(position: 6, chain: [UInt8](repeating: 7, count: 32))
    await #expect(throws: WatchError.historyReplaced(at: 6)) {
      try await hub.subscribe(writer.organization, from: .after(cursor))
    }
    await #expect(throws: WatchError.historyReplaced(at: 6)) {
      try await hub.subscribe(writer.organization, from: .afterPosition(6))
    }
  }

  /// The restored feed has even grown past the old one when the watcher looks again.
  @Test(arguments: [4, 9, 30])
  func aStreamEndsWhenABackupIsRestoredUnderIt(grownTo: Int) async throws {
    let before = try await FeedWriter(clock: clock)
    try await before.grow(by: 9)
    clock.advance(microseconds: 1)
    let after = try await FeedWriter(clock: clock)
    try await after.grow(by: grownTo)
    let source = SwitchedSource(StoreFeedSource(store: before.store))
    let hub = makeHub(source)
    await hub.poll()
    let stream = try await hub.subscribe(before.organization, from: .afterPosition(7))
    var messages = stream.makeAsyncIterator()
    #expect(try await messages.next()?.cursor.position == 9)
    source.turn(to: StoreFeedSource(store: after.store))
    async let polled = hub.poll()
    await #expect(throws: WatchError.historyReplaced(at: 9)) { _ = try await messages.next() }
    _ = await polled
  }

  /// A fail-over loses what came after position 5. A watcher whose cursor stands is told neither a
  /// lost row nor that its history was replaced, whether or not the hub has looked again.
  @Test(arguments: [5, 7, 9, 30])
  func aCursorThatStandsIsServedWhenLaterRowsAreLost(grownTo: Int) async throws {
    let common = try await FeedWriter(clock: clock)
    let before = try await FeedWriter(clock: clock)
    let after = try await FeedWriter(clock: clock)
    for writer in [common, before, after] { try await writer.grow(by: 5) }
    clock.advance(microseconds: 1)
    try await before.grow(by: 4)
    clock.advance(microseconds: 1)
    if grownTo > 5 { try await after.grow(by: grownTo - 5) }
    let shared = try await before.cursor(at: 5)
    #expect(try await after.cursor(at: 5) == shared)
    for cursor in [5, UInt64(grownTo), 2] {
      let source = SwitchedSource(StoreFeedSource(store: common.store))
      let hub = makeHub(source)
      let earlier = try await hub.subscribe(before.organization, from: .afterPosition(2))
      await hub.poll()
      source.turn(to: StoreFeedSource(store: before.store))
      await hub.poll()
      var messages = earlier.makeAsyncIterator()
      while try await messages.next()?.cursor.position != 9 {}
      source.turn(to: StoreFeedSource(store: after.store))
      let place = try await after.cursor(at: cursor)
      let stream = try await hub.subscribe(after.organization, from: .after(place))
      var checker = WatchChecker(from: place)
      // At its end a stream waits for the hub to look again, which it shall not need to before.
      var following = stream.makeAsyncIterator()
      while checker.cursor.position < UInt64(grownTo), let message = try await following.next() {
        try checker.take(message, feed: try await after.rows())
      }
      await hub.poll()
      await #expect(throws: WatchError.historyReplaced(at: 9)) { _ = try await messages.next() }
    }
  }

  /// Rows that a transaction has written and not yet committed must reach nobody.
  @Test func rowsAboveThePublishableHeadAreNotTold() async throws {
    let writer = try await FeedWriter(clock: clock)
    try await writer.grow(by: 30)
    let early = try await writer.store.read(writer.organization) { try $0.head(at: 17) }
    let source = EagerSource(
      inner: StoreFeedSource(store: writer.store), head: try #require(early),
      organization: writer.organization)
    let hub = makeHub(source)
    await hub.poll()
    let stream = try await hub.subscribe(writer.organization, from: .after(.start))
    var messages = stream.makeAsyncIterator()
    var told: [UInt64] = []
    while told.last != 17 {
      told += try #require(try await messages.next()).rows.map(\.position)
    }
    #expect(told == Array(1...17))
    // The source itself would have given them: a hub without the rule tells them.
    #expect(try await source.page(writer.organization, after: 16, limit: 4).rows.count == 4)
  }

  @Test func aSlowWatcherCostsNoMemory() async throws {
    let writer = try await FeedWriter(clock: clock)
    let hub = makeHub(StoreFeedSource(store: writer.store), rowsHeld: 8)
    await hub.poll()
    let stream = try await hub.subscribe(writer.organization, from: .after(.start))
    for _ in 0..<100 {
      try await writer.grow(by: 3)
      await hub.poll()
      #expect(await hub.feeds[writer.organization]?.tail.rows.count ?? 0 < 16)
    }
    var messages = stream.makeAsyncIterator()
    var checker = WatchChecker(from: .start)
    let feed = try await writer.rows()
    while checker.cursor.position < 300 {
      try checker.take(try #require(try await messages.next()), feed: feed)
    }
  }

  @Test func rowsAreHeldOnlyWhileSomebodyWatches() async throws {
    let writer = try await FeedWriter(clock: clock)
    let hub = makeHub(StoreFeedSource(store: writer.store))
    await hub.poll()
    do {
      let stream = try await hub.subscribe(writer.organization, from: .now)
      #expect(hub.openStreams == 1)
      try await writer.grow(by: 3)
      await hub.poll()
      #expect(await hub.feeds[writer.organization]?.tail.rows.count == 3)
      withExtendedLifetime(stream) {}
    }
    #expect(hub.openStreams == 0)
    await hub.poll()
    #expect(await hub.feeds[writer.organization]?.tail.rows.isEmpty == true)
  }

  @Test func moreStreamsThanConfiguredAreRefused() async throws {
    let writer = try await FeedWriter(clock: clock)
    let hub = makeHub(StoreFeedSource(store: writer.store), maximumStreams: 2)
    let open = [
      try await hub.subscribe(writer.organization, from: .now),
      try await hub.subscribe(writer.organization, from: .now),
    ]
    await #expect(throws: WatchError.tooManyStreams) {
      try await hub.subscribe(writer.organization, from: .now)
    }
    withExtendedLifetime(open) {}
  }

  @Test func streamsEndAsUnavailableWhenTheStoreStaysAway() async throws {
    let writer = try await FeedWriter(clock: clock)
    let source = SwitchedSource(StoreFeedSource(store: writer.store))
    let hub = makeHub(source)
    await hub.poll()
    let stream = try await hub.subscribe(writer.organization, from: .now)
    async let ended: WatchError? = Self.end(of: stream)
    while await hub.feeds[writer.organization]?.waiters.isEmpty ?? true { await Task.yield() }
    source.turn(to: nil)
    clock.advance(microseconds: 999_999)
    #expect(await hub.poll() == false)
    #expect(await hub.feeds[writer.organization]?.waiters.count == 1)
    clock.advance(microseconds: 1)
    #expect(await hub.poll() == false)
    #expect(await ended == .unavailable)
  }

  @Test func streamsEndAsUnavailableWhenReadsHangUntilTheirDeadline() async throws {
    let writer = try await FeedWriter(clock: clock)
    let source = SwitchedSource(StoreFeedSource(store: writer.store))
    let hub = makeHub(source)
    await hub.poll()
    let stream = try await hub.subscribe(writer.organization, from: .now)
    async let ended: WatchError? = Self.end(of: stream)
    while await hub.feeds[writer.organization]?.waiters.isEmpty ?? true { await Task.yield() }
    let clock = clock
    source.turn(to: LateSource { clock.advance(microseconds: 1_000_000) })
    await hub.poll()
    #expect(await ended == .unavailable)
  }

  private static func end(of stream: WatchStream) async -> WatchError? {
    do {
      for try await _ in stream {}
      return nil
    } catch { return error as? WatchError }
  }

  @Test func anUnknownOrganizationIsNamedByTheStore() async throws {
    let writer = try await FeedWriter(clock: clock)
    let hub = makeHub(StoreFeedSource(store: writer.store))
    await #expect(throws: StoreError.unknownOrganization) {
      try await hub.subscribe(OrganizationID(high: 9, low: 9), from: .now)
    }
  }

  @Test func aCancelledWatcherLeavesNothingBehind() async throws {
    let writer = try await FeedWriter(clock: clock)
    let hub = makeHub(StoreFeedSource(store: writer.store))
    await hub.poll()
    let task = Task { [organization = writer.organization] in
      for try await _ in try await hub.subscribe(organization, from: .now) {}
    }
    while await hub.feeds[writer.organization]?.waiters.isEmpty ?? true { await Task.yield() }
    task.cancel()
    await #expect(throws: CancellationError.self) { try await task.value }
    #expect(await hub.feeds[writer.organization]?.waiters.isEmpty == true)
  }

  @Test func theLoopPollsWhenWokenAndBacksOffWhenTheStoreFails() async throws {
    let writer = try await FeedWriter(clock: clock)
    let source = SwitchedSource(StoreFeedSource(store: writer.store))
    let (heads, told) = AsyncStream<UInt64>.makeStream()
    let hub = WatchHub(source: source, clock: clock) { _, head in told.yield(head.position) }
    let loop = Task { await hub.run() }
    var positions = heads.makeAsyncIterator()
    #expect(await positions.next() == 0)
    try await writer.grow(by: 2)
    hub.wake()
    #expect(await positions.next() == 2)
    await clock.sleepers(1)
    source.turn(to: nil)
    var delays: [Int64] = []
    clock.advance(microseconds: 100_000)
    for _ in 0..<8 {
      await clock.sleepers(1)
      let delay = try #require(clock.nextWake)
      delays.append(delay)
      hub.wake()
      clock.advance(microseconds: delay)
    }
    #expect(
      delays == [
        100_000, 200_000, 400_000, 800_000, 1_600_000, 3_200_000, 5_000_000, 5_000_000,
      ])
    loop.cancel()
    await loop.value
  }
}

/// A source that can be exchanged, or taken away.
final class SwitchedSource: FeedSource {
  private let current: Mutex<(any FeedSource)?>

  init(_ source: any FeedSource) { current = Mutex(source) }

  func turn(to source: (any FeedSource)?) { current.withLock { $0 = source } }

  private func source() throws -> any FeedSource {
    guard let source = current.withLock({ $0 }) else { throw StoreError.unavailable("test") }
    return source
  }

  func publishableHeads(
    _ organizations: [OrganizationID]?
  ) async throws -> [OrganizationID: Result<FeedHead, StoreError>] {
    try await source().publishableHeads(organizations)
  }

  func page(
    _ organization: OrganizationID, after position: UInt64, limit: Int
  ) async throws -> FeedPage {
    try await source().page(organization, after: position, limit: limit)
  }
}

/// Its reads take long and then fail, as those of a store that cancels them at a deadline.
struct LateSource: FeedSource {
  var hang: @Sendable () -> Void

  func publishableHeads(
    _ organizations: [OrganizationID]?
  ) async throws -> [OrganizationID: Result<FeedHead, StoreError>] {
    hang()
    throw StoreError.unavailable("test")
  }

  func page(
    _ organization: OrganizationID, after position: UInt64, limit: Int
  ) async throws -> FeedPage {
    hang()
    throw StoreError.unavailable("test")
  }
}

/// Reads further than what may be published.
struct EagerSource: FeedSource {
  var inner: any FeedSource
  var head: FeedHead
  var organization: OrganizationID

  func publishableHeads(
    _ organizations: [OrganizationID]?
  ) async throws -> [OrganizationID: Result<FeedHead, StoreError>] {
    [organization: .success(head)]
  }

  func page(
    _ organization: OrganizationID, after position: UInt64, limit: Int
  ) async throws -> FeedPage {
    try await inner.page(organization, after: position, limit: limit)
  }
}
