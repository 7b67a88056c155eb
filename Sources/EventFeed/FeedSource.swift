public import ConsentCore
public import ConsentStore

/// Where the watch hub reads the feeds.
///
/// INVARIANT (publishing rule): every row and head returned is committed, and rows above a
/// `publishableHeads` answer are told to nobody: news of a change may leave only after a
/// transaction that wrote, and began after the change was seen, has committed.
public protocol FeedSource: Sendable {
  /// The heads up to which rows may be told, read after the call began. `nil` asks for every
  /// organization of this node, in one go.
  ///
  /// One answer for each organization, so that one unreadable feed does not silence the others.
  func publishableHeads(
    _ organizations: [OrganizationID]?
  ) async throws -> [OrganizationID: Result<FeedHead, StoreError>]

  /// At most `limit` rows after `position`, in order, from one snapshot.
  func page(
    _ organization: OrganizationID, after position: UInt64, limit: Int
  ) async throws -> FeedPage
}

public struct FeedPage: Sendable {
  /// The head as it was at the position asked for; `nil` if that is above the head.
  public var start: FeedHead?
  public var rows: [FeedRow]

  public init(start: FeedHead?, rows: [FeedRow]) {
    self.start = start
    self.rows = rows
  }
}

/// Feeds read from a store, one snapshot at a time.
public struct StoreFeedSource: FeedSource {
  private let store: any ConsentStore

  public init(store: any ConsentStore) { self.store = store }

  public func publishableHeads(
    _ organizations: [OrganizationID]?
  ) async throws -> [OrganizationID: Result<FeedHead, StoreError>] {
    var asked = organizations ?? []
    if organizations == nil { asked = try await store.organizations().map(\.id) }
    var heads: [OrganizationID: Result<FeedHead, StoreError>] = [:]
    for organization in asked {
      try Task.checkCancellation()
      do {
        heads[organization] = .success(try await store.read(organization) { $0.head })
      } catch let error as StoreError {
        heads[organization] = .failure(error)
      }
    }
    return heads
  }

  public func page(
    _ organization: OrganizationID, after position: UInt64, limit: Int
  ) async throws -> FeedPage {
    try await store.read(organization) { reader in
      guard let start = try reader.head(at: position) else {
        return FeedPage(start: nil, rows: [])
      }
      return FeedPage(start: start, rows: try reader.feed(after: position, limit: limit))
    }
  }
}
