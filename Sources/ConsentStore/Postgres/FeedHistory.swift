internal import ConsentCore
internal import Postgres
internal import Synchronization

/// What this process has seen of each organization's feed, for what may not be passed over: rows of
/// a kind that a later release writes.
///
/// INVARIANT: rows up to the head remembered, in the history that its chain names, are of known
/// kinds. Nothing is answered at a head that is not.
final class FeedHistory: Sendable {
  private let checked = Mutex<[OrganizationID: FeedHead]>([:])

  /// - Throws: `StoreError.unreadable` if the feed holds a row of a kind that is unknown here.
  func requireKnownKinds(_ view: PostgresView) throws {
    let head = view.head
    guard head.position > 0 else { return }
    let before = checked.withLock { $0[view.id] } ?? .empty
    guard before != head else { return }
    let isSameHistory =
      try before.position > 0 && before.position < head.position
      && view.head(at: before.position)?.chain == before.chain
    let start = isSameHistory ? before.position : 0
    let row = try view.connection.execute(
      .unknownKind, view.id, column(start), column(head.position),
      EventKind.allCases.map { Int16($0.rawValue) }
    ).first
    if let unknown = try row?.unsigned(0) {
      throw StoreError.unreadable(
        "position \(unknown) of the feed is of a kind that this release does not know; "
          + "run the release that wrote it")
    }
    checked.withLock { $0[view.id] = head }
  }

  /// The rows after `before` were written here.
  func advance(_ organization: OrganizationID, from before: FeedHead, to head: FeedHead) {
    checked.withLock { if $0[organization] == before { $0[organization] = head } }
  }
}

extension PostgresStatement {
  fileprivate static let unknownKind = PostgresStatement(
    name: "unknown_kind",
    sql: """
      SELECT position FROM feed
      WHERE organization_id = $1 AND position > $2 AND position <= $3 AND NOT kind = ANY($4)
      ORDER BY position LIMIT 1
      """)
}
