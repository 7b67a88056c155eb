internal import ConsentStore

/// The newest rows of one feed, bounded: what every stream that keeps up is served from.
///
/// Streams keep no buffer of their own. Each has only a cursor and pulls: from here while the rows
/// are still held, from the store when it fell behind. So a slow watcher costs no memory, and there
/// is no moment of joining at which a row could be lost or told twice.
///
/// INVARIANT: rows are dense from `base` (exclusive) to `end` (inclusive), and all are publishable.
struct FeedTail: Sendable {
  enum Slice: Sendable {
    /// Rows directly after the cursor.
    case rows([FeedRow])
    /// The cursor is at the end.
    case atEnd
    /// The rows are no longer held, or not yet: read them from the store.
    case behind
    /// The cursor lies above what this node has read so far.
    case ahead
    /// The feed holds another history at the cursor's position.
    case diverged
  }

  private(set) var base: WatchCursor
  private(set) var end: WatchCursor
  private(set) var rows: [FeedRow] = []
  private let capacity: Int

  init(at head: FeedHead, capacity: Int) {
    precondition(capacity > 0)
    base = WatchCursor(head)
    end = base
    self.capacity = capacity
  }

  func slice(after cursor: WatchCursor, limit: Int) -> Slice {
    if cursor.position > end.position { return .ahead }
    if cursor.position == end.position { return cursor == end ? .atEnd : .diverged }
    guard cursor.position >= base.position else { return .behind }
    let held = Int(cursor.position - base.position)
    let chain = held == 0 ? base.chain : rows[held - 1].chain
    guard chain == cursor.chain else { return .diverged }
    return .rows(Array(rows[held..<min(rows.count, held + limit)]))
  }

  /// Appends the next rows; those that no longer fit leave from the front.
  /// - Returns: false, with nothing changed, if they do not follow on `end`.
  mutating func append(_ new: [FeedRow]) -> Bool {
    var position = end.position
    for row in new {
      guard row.position == position + 1 else { return false }
      position = row.position
    }
    guard let last = new.last else { return true }
    rows.append(contentsOf: new)
    end = WatchCursor(last)
    let excess = rows.count - capacity
    // Moving the rows costs their number, so it waits until half of them are to go.
    if excess >= capacity {
      base = WatchCursor(rows[excess - 1])
      rows.removeFirst(excess)
    }
    return true
  }

  /// Jumps to `head` when more rows came than are held; streams in between read the store.
  mutating func skip(to head: FeedHead) {
    base = WatchCursor(head)
    end = base
    rows.removeAll()
  }

  /// Nobody watches: only the place is kept.
  mutating func forgetRows() {
    base = end
    rows.removeAll()
  }
}
