/// Decisions already taken, all at one head, on their way into the log.
public struct TakenDecisions: Sendable {
  public var entries: [DecisionEntry]
  /// The state of the feed that every one of them was taken at.
  public var head: FeedHead

  public init(_ entries: [DecisionEntry], at head: FeedHead) {
    self.entries = entries
    self.head = head
  }
}

/// What must be true of the feed, in the snapshot that appends, for decisions to be logged.
///
/// That the feed holds the chain of the decisions' head at its position is always required.
public struct AppendCondition: Sendable {
  /// Refuse if a fact was changed above this position; `nil`: the decisions were taken at a head
  /// that was read after their requests arrived, and need no further one.
  public var unlessFactsChangedAbove: UInt64?
  /// Feed rows above this position are returned.
  public var after: UInt64
  /// Whether the log must stand where this node left it.
  public private(set) var requiresLogTail = true

  public init(unlessFactsChangedAbove: UInt64?, after: UInt64) {
    self.unlessFactsChangedAbove = unlessFactsChangedAbove
    self.after = after
  }

  #if DEBUG
    /// For the tests that must notice it.
    public mutating func forgetLogTail() { requiresLogTail = false }

    /// Whether the append looks at the feed at all.
    public private(set) var readsFeed = true

    /// For measuring what it costs that the feed is looked at.
    public mutating func forgetFeed() { readsFeed = false }
  #endif
}

/// What the feed held above a position.
public struct FeedFollowing: Sendable {
  /// The most rows that an append returns.
  public static let limit = 1_000

  public var head: FeedHead
  /// The rows after the position asked for, in order; at most `limit`.
  public var rows: [FeedRow]
  /// Whether the organization holds a Part 2 image at the head; told only where there are rows.
  public var holdsPart2: Bool

  public init(head: FeedHead, rows: [FeedRow], holdsPart2: Bool) {
    self.head = head
    self.rows = rows
    self.holdsPart2 = holdsPart2
  }
}

public enum AppendOutcome: Sendable {
  /// Durable. `nil`: the reply of the commit was lost and the decisions were found to stand.
  case logged([LoggedDecision], FeedFollowing?)
  /// Nothing was logged: facts changed above the position named.
  case behind(FeedFollowing)
  /// Nothing was logged: the feed is of another history than the decisions, or has gone back.
  case historyReplaced
}
