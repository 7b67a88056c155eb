internal import ConsentCore
internal import ConsentStore
internal import Synchronization

/// A question with its decisions.
struct Taken: Sendable {
  var call: CheckCall
  var entries: [DecisionEntry]
}

/// Questions decided on, at one position, while the batch before theirs was on its way to the log.
struct Ahead: Sendable {
  var head: FeedHead
  var taken: [Taken]
  /// When the first of them was decided on.
  var since: ContinuousClock.Instant

  var calls: [CheckCall] { taken.map(\.call) }
}

// Deciding ahead: a processor that would wait for the log decides on what has arrived.
//
// What is taken ahead is appended like any other batch, under the condition that nothing of the feed
// above its position concerns it. That its calls arrived before the append's snapshot (I2) follows
// from their having arrived before they were decided on.
extension OrganizationChecker {
  /// Called when a batch goes to the log.
  func beginTakingAhead() {
    let begins = state.withLock { state in
      state.isAppending = true
      return !state.arrived.isEmpty && state.takesAhead()
    }
    if begins { Task { takeAhead() } }
  }

  func takeAhead() {
    while let calls = nextAhead() {
      let since = ContinuousClock.now
      guard let (head, taken) = take(calls) else { continue }
      let stopped = state.withLock { state in
        if state.stopped == nil {
          state.ahead.append(Ahead(head: head, taken: taken, since: since))
        }
        return state.stopped
      }
      if let stopped {
        for call in calls { call.fail(StoreError.unavailable(stopped)) }
      } else {
        // The batch may have come back meanwhile, and found nothing to go on with.
        wakeBatches()
      }
    }
  }

  private func nextAhead() -> [CheckCall]? {
    state.withLock { state in
      let room = options.batchLimit - state.aheadCount
      guard state.isAppending, !state.arrived.isEmpty, room > 0 else {
        state.isTakingAhead = false
        return nil
      }
      let calls = Array(state.arrived.prefix(room))
      state.arrived.removeFirst(calls.count)
      return calls
    }
  }

  /// Sends what was taken ahead to the log, unless it is decided on anew.
  func log(_ ahead: Ahead) async {
    // The mutant takes what is applied for what was decided at, here as well.
    let isCurrent =
      deviation.isOn(.compareWithApplied)
      || index.withLock { $0.applied == ahead.head }
    guard isCurrent, ContinuousClock.now - ahead.since < options.aheadLimit else {
      return await check(ahead.calls)
    }
    let taken = ahead.taken.filter { !$0.call.isOver }
    if !taken.isEmpty { await log(taken, at: ahead.head) }
  }
}

extension OrganizationChecker.State {
  var aheadCount: Int { ahead.reduce(0) { $0 + $1.taken.count } }

  /// Whether whoever asks is to begin taking ahead.
  mutating func takesAhead() -> Bool {
    guard isAppending, !isTakingAhead else { return false }
    isTakingAhead = true
    return true
  }

  /// What was taken first, with what was taken after it at the same position.
  mutating func sealAhead(atMost limit: Int) -> Ahead? {
    guard var sealed = ahead.first else { return nil }
    var count = 1
    for next in ahead.dropFirst() {
      guard next.head == sealed.head, sealed.taken.count + next.taken.count <= limit else { break }
      sealed.taken += next.taken
      count += 1
    }
    ahead.removeFirst(count)
    return sealed
  }
}
