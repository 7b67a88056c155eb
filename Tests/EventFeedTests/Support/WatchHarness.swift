import ConsentCore
import ConsentStore
import EventFeed
import Synchronization

/// A source that does something after each read, such as a write that falls between a stream's
/// reading of old rows and its joining of the new ones.
struct InterruptedSource: FeedSource {
  var inner: any FeedSource
  var afterRead: @Sendable () async -> Void

  func publishableHeads(
    _ organizations: [OrganizationID]?
  ) async throws -> [OrganizationID: Result<FeedHead, StoreError>] {
    let heads = try await inner.publishableHeads(organizations)
    await afterRead()
    return heads
  }

  func page(
    _ organization: OrganizationID, after position: UInt64, limit: Int
  ) async throws -> FeedPage {
    let page = try await inner.page(organization, after: position, limit: limit)
    await afterRead()
    return page
  }
}

/// What is wrong with the rows a watcher was told.
enum WatchViolation: Error, Equatable {
  case lostOrRepeated(after: UInt64, got: UInt64)
  case otherRow(at: UInt64)
  case cursorIsNotTheLastRow
  case aboveThePublishableHead(UInt64)
}

/// Follows what one watcher is told, across any number of streams, against the true feed.
struct WatchChecker {
  private(set) var cursor: WatchCursor
  private var expected: UInt64

  init(from cursor: WatchCursor) {
    self.cursor = cursor
    expected = cursor.position
  }

  mutating func take(_ message: WatchMessage, feed: [FeedRow]) throws {
    for row in message.rows {
      guard row.position == expected + 1 else {
        throw WatchViolation.lostOrRepeated(after: expected, got: row.position)
      }
      expected = row.position
      guard Int(expected) <= feed.count, feed[Int(expected) - 1] == row else {
        throw WatchViolation.otherRow(at: row.position)
      }
    }
    guard message.cursor.position == expected else { throw WatchViolation.cursorIsNotTheLastRow }
    guard message.head >= expected else { throw WatchViolation.aboveThePublishableHead(expected) }
    cursor = message.cursor
  }
}

/// A hub as it must not be: it tells the old rows first and joins the live ones afterwards, so
/// what is recorded in between is told to nobody.
actor LateJoiningHub {
  private let source: any FeedSource
  private let organization: OrganizationID
  private var published: UInt64 = 0
  private var live: [FeedRow]?

  init(source: any FeedSource, organization: OrganizationID) {
    self.source = source
    self.organization = organization
  }

  func poll() async throws {
    let page = try await source.page(organization, after: published, limit: .max)
    published = page.rows.last?.position ?? published
    live?.append(contentsOf: page.rows)
  }

  func oldRows(after position: UInt64) async throws -> [FeedRow] {
    try await source.page(organization, after: position, limit: .max).rows
  }

  func join() { live = [] }

  func takeLive() -> [FeedRow] {
    defer { live = [] }
    return live ?? []
  }
}
