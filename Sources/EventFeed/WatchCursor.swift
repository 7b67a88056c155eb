public import ConsentStore

/// A place in one organization's feed, with the history that led there.
///
/// A position alone is no identity: after a restored backup the same position holds another row.
public struct WatchCursor: Hashable, Sendable, Codable {
  public var position: UInt64
  /// SHA-256 chain at that position, 32 bytes.
  public var chain: [UInt8]

  public init(position: UInt64, chain: [UInt8]) {
    self.position = position
    self.chain = chain
  }

  public init(_ head: FeedHead) { self.init(position: head.position, chain: head.chain) }

  init(_ row: FeedRow) { self.init(position: row.position, chain: row.chain) }

  /// Before the first change.
  public static let start = WatchCursor(.empty)
}

/// Why a watch cannot go on. Each says what the watcher does next.
public enum WatchError: Error, Hashable, Sendable {
  /// The feed does not hold the cursor's history: a backup was restored, or the cursor is of
  /// another feed. What was learned after the last trusted position must be read anew.
  case historyReplaced(at: UInt64)
  /// The feed could not be read for some time. Watch again from the last cursor, here or elsewhere.
  case unavailable
  /// As many streams are open as this node takes. Watch from another node, or later.
  case tooManyStreams
}
