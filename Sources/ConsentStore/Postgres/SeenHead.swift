internal import ConsentCore
internal import Synchronization

/// The last head of one organization's feed that this process wrote on or saw under the lock.
///
/// A feed that no longer holds it, also one that has grown past it since, is another history: an
/// older backup was restored, or a fail-over lost changes that had been acknowledged.
final class SeenHead: Sendable {
  private let head = Mutex(FeedHead.empty)

  func set(_ head: FeedHead) { self.head.withLock { $0 = head } }

  /// Takes what is there for the history from now on, after it was refused once: those who wait may
  /// have built on what is gone.
  /// - Throws: `StoreError.unavailable` unless the feed holds the head seen before.
  func require(_ view: PostgresView, comparingChains: Bool = true) throws {
    let now = view.head
    let before = head.withLock { head in
      defer { head = now }
      return head
    }
    guard before.position > 0, before != now else { return }
    if !comparingChains, now.position >= before.position { return }
    let isHeld =
      try before.position < now.position && view.head(at: before.position)?.chain == before.chain
    guard isHeld else {
      throw StoreError.unavailable(
        "the feed does not hold position \(before.position) as it was recorded here and ends at "
          + "\(now.position): an older backup was restored or a fail-over lost changes; nothing was "
          + "changed; see what is missing, then try again")
    }
  }
}
