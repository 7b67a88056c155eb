/// Ways to close logs wrongly, each of which a test must catch. A release build has none.
enum BrokenClosing: Sendable {
  /// A node that lives is taken for dead: it may be, and must do no harm.
  case takesAllForDead
  /// The same, and the leaf after the last is not taken, so that the log's node goes on.
  case leavesLeafFree
}

extension PostgresConsentStore.Options {
  func isBroken(_ way: BrokenClosing) -> Bool {
    #if DEBUG
      brokenClosing == way || way == .takesAllForDead && brokenClosing == .leavesLeafFree
    #else
      false
    #endif
  }
}
