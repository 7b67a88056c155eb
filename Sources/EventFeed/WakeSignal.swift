internal import Synchronization

/// A flag that many may raise and one task waits for. Raising it twice before the waiter comes is
/// raising it once; raising it with nobody waiting is remembered.
///
/// INVARIANT: at most one task waits at a time.
final class WakeSignal: Sendable {
  private struct State {
    var isRaised = false
    var waiter: CheckedContinuation<Void, Never>?
  }

  private let state = Mutex(State())

  func raise() {
    let waiter = state.withLock { state -> CheckedContinuation<Void, Never>? in
      guard let waiter = state.waiter else {
        state.isRaised = true
        return nil
      }
      state.waiter = nil
      return waiter
    }
    waiter?.resume()
  }

  /// Returns when the flag is raised, which lowers it; when `microseconds` have passed; or when
  /// the task is cancelled.
  func wait(atMost microseconds: Int64, clock: any FeedClock) async {
    await withTaskGroup(of: Void.self) { group in
      group.addTask { await self.wait() }
      group.addTask { try? await clock.sleep(microseconds: microseconds) }
      await group.next()
      group.cancelAll()
    }
  }

  private func wait() async {
    await withTaskCancellationHandler {
      await withCheckedContinuation { continuation in
        let isDone = state.withLock { state in
          // A task cancelled before it came here has run its handler already.
          if state.isRaised || Task.isCancelled {
            state.isRaised = false
            return true
          }
          precondition(state.waiter == nil, "one task waits at a time")
          state.waiter = continuation
          return false
        }
        if isDone { continuation.resume() }
      }
    } onCancel: {
      state.withLock { state in
        defer { state.waiter = nil }
        return state.waiter
      }?.resume()
    }
  }
}
