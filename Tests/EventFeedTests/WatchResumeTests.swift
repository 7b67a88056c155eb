import ConsentCore
import ConsentStore
import Synchronization
import Testing

@testable import EventFeed

/// Every watcher is told every row once and in order, wherever it begins and however it goes on.
@Suite struct WatchResumeTests {
  static let small = WatchConfiguration(
    pollIntervalMicroseconds: 1_000, rowsHeld: 5, rowsPerPage: 3, concurrentReads: 2)

  @Test func everyPositionCanBeResumedFrom() async throws {
    let clock = ManualClock()
    let writer = try await FeedWriter(clock: clock)
    let hub = WatchHub(
      source: StoreFeedSource(store: writer.store), clock: clock, configuration: Self.small)
    await hub.poll()
    for _ in 0..<12 {
      try await writer.grow(by: 2)
      await hub.poll()
    }
    let feed = try await writer.rows()
    for position in 0...UInt64(feed.count) {
      let cursor = try await writer.cursor(at: position)
      let stream = try await hub.subscribe(writer.organization, from: .after(cursor))
      var messages = stream.makeAsyncIterator()
      var checker = WatchChecker(from: cursor)
      while checker.cursor.position < UInt64(feed.count) {
        try checker.take(try #require(try await messages.next()), feed: feed)
      }
    }
  }

  @Test(arguments: [1, 2, 3, 4, 5, 6, 7, 8] as [UInt64])
  func nothingIsLostOrRepeatedWhileOthersWrite(seed: UInt64) async throws {
    let clock = ManualClock()
    let writer = try await FeedWriter(clock: clock)
    let hub = WatchHub(
      source: StoreFeedSource(store: writer.store), clock: clock, configuration: Self.small)
    await hub.poll()
    let total: UInt64 = 150
    let violations = try await withThrowingTaskGroup(of: (any Error)?.self) { group in
      for watcher in 0..<6 {
        group.addTask {
          await Self.follow(hub, writer, to: total, seed: seed &* 1_000 + UInt64(watcher))
        }
      }
      group.addTask {
        do {
          try await Self.write(hub, writer, total: total, seed: seed)
          return nil
        } catch { return error }
      }
      return try await group.reduce(into: [any Error]()) { if let error = $1 { $0.append(error) } }
    }
    #expect(violations.isEmpty, "seed \(seed): \(violations)")
  }

  private static func write(
    _ hub: WatchHub, _ writer: FeedWriter, total: UInt64, seed: UInt64
  ) async throws {
    var random = SeededGenerator(seed: seed)
    var written: UInt64 = 0
    while written < total {
      let count = min(UInt64.random(in: 1...9, using: &random), total - written)
      written = try await writer.grow(by: Int(count)).position
      if Bool.random(using: &random) { await hub.poll() }
      if Bool.random(using: &random) { await Task.yield() }
    }
    await hub.poll()
  }

  /// Reads with pauses, drops streams at random and goes on from the last cursor.
  private static func follow(
    _ hub: WatchHub, _ writer: FeedWriter, to total: UInt64, seed: UInt64
  ) async -> (any Error)? {
    var random = SeededGenerator(seed: seed)
    do {
      var checker = WatchChecker(from: .start)
      while checker.cursor.position < total {
        let stream = try await hub.subscribe(writer.organization, from: .after(checker.cursor))
        var messages = stream.makeAsyncIterator()
        for _ in 0..<Int.random(in: 1...8, using: &random)
        where checker.cursor.position < total {
          guard let message = try await messages.next() else { return WatchError.unavailable }
          try checker.take(message, feed: try await writer.rows())
          if Int.random(in: 0..<3, using: &random) == 0 { await Task.yield() }
        }
      }
      return nil
    } catch { return error }
  }

  /// A row is committed after every read that a hub makes, for as long as `remaining` lasts.
  private func interrupted(_ writer: FeedWriter, rows: Int) -> InterruptedSource {
    let remaining = Mutex(rows)
    return InterruptedSource(inner: StoreFeedSource(store: writer.store)) {
      let goesOn = remaining.withLock { remaining in
        remaining -= 1
        return remaining >= 0
      }
      if goesOn { _ = try? await writer.grow(by: 1) }
    }
  }

  @Test func rowsCommittedBetweenReadingAndJoiningAreTold() async throws {
    let clock = ManualClock()
    let writer = try await FeedWriter(clock: clock)
    try await writer.grow(by: 20)
    let hub = WatchHub(
      source: interrupted(writer, rows: 30), clock: clock, configuration: Self.small)
    await hub.poll()
    let stream = try await hub.subscribe(writer.organization, from: .after(.start))
    var messages = stream.makeAsyncIterator()
    var checker = WatchChecker(from: .start)
    while checker.cursor.position < 50 {
      async let polled = hub.poll()
      try checker.take(
        try #require(try await messages.next()), feed: try await writer.rows())
      _ = await polled
    }
    #expect(checker.cursor.position == 50)
  }

  /// The cursor's page is read, then the feed grows and the hub looks: the page is older than what
  /// the hub holds, which is no sign of another history.
  @Test func aHubThatLooksWhileACursorIsComparedTellsOfTheNewRows() async throws {
    let clock = ManualClock()
    let writer = try await FeedWriter(clock: clock)
    try await writer.grow(by: 3)
    let looking = Mutex<WatchHub?>(nil)
    let source = InterruptedSource(inner: StoreFeedSource(store: writer.store)) {
      let hub = looking.withLock { hub in
        defer { hub = nil }
        return hub
      }
      guard let hub else { return }
      _ = try? await writer.grow(by: 1)
      await hub.poll()
    }
    let hub = WatchHub(source: source, clock: clock, configuration: Self.small)
    await hub.poll()
    let cursor = try await writer.cursor(at: 3)
    looking.withLock { $0 = hub }
    let stream = try await hub.subscribe(writer.organization, from: .after(cursor))
    var messages = stream.makeAsyncIterator()
    var checker = WatchChecker(from: cursor)
    try checker.take(try #require(try await messages.next()), feed: try await writer.rows())
    #expect(checker.cursor.position == 4)
  }

  /// The same interruption is caught in a hub that joins too late.
  @Test func aHubThatJoinsAfterReadingLosesRowsAndIsCaught() async throws {
    let clock = ManualClock()
    let writer = try await FeedWriter(clock: clock)
    try await writer.grow(by: 20)
    let hub = LateJoiningHub(
      source: interrupted(writer, rows: 30), organization: writer.organization)
    try await hub.poll()
    var checker = WatchChecker(from: .start)
    let old = try await hub.oldRows(after: 0)
    try checker.take(Self.message(old), feed: try await writer.rows())
    try await hub.poll()
    await hub.join()
    try await hub.poll()
    let live = await hub.takeLive()
    let feed = try await writer.rows()
    #expect(throws: WatchViolation.self) { try checker.take(Self.message(live), feed: feed) }
  }

  private static func message(_ rows: [FeedRow]) -> WatchMessage {
    let cursor = rows.last.map { WatchCursor(position: $0.position, chain: $0.chain) } ?? .start
    return WatchMessage(
      rows: rows, cursor: cursor, head: cursor.position, asOf: Instant(microseconds: 0))
  }
}
