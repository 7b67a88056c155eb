internal import ConsentCore

/// What goes into one batch of an activity log.
struct ActivityItems {
  /// Logs named by one record.
  static let namedAtOnce = 4_096

  private(set) var items: [ActivityItem] = []
  private let head: FeedHead
  private let now: Instant

  /// - Parameter head: as the appending transaction found it.
  init(at head: FeedHead, now: Instant) {
    self.head = head
    self.now = now
  }

  /// A log's first records; one at least, also where there is nothing to name.
  mutating func add(named logs: [NamedLog]) {
    var rest = logs[...]
    repeat {
      add(.logs(Array(rest.prefix(Self.namedAtOnce))), at: now)
      rest = rest.dropFirst(Self.namedAtOnce)
    } while !rest.isEmpty
  }

  mutating func add(_ accesses: [Access]) {
    for access in accesses { add(.access(access), at: access.at) }
  }

  /// - Parameter from: where this log's last anchor ended.
  mutating func addAnchor(from: UInt64) {
    add(.changes(FeedAnchor(from: from, to: head.position, chain: head.chain)), at: now)
  }

  private mutating func add(_ activity: Activity, at instant: Instant) {
    items.append(ActivityItem(activity: activity, head: head, at: instant))
  }
}
