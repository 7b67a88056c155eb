import ConsentCore
import ConsentStore
import EventFeed
import Synchronization

/// A clock that stands until a test moves it. The wall clock may be set back or forth; uptime goes
/// on only.
final class ManualClock: FeedClock {
  private struct Sleeper {
    var due: Int64
    var continuation: CheckedContinuation<Void, any Error>
  }

  private struct State {
    var wall: Instant
    var uptime: Int64 = 0
    var nextNumber = 0
    var sleepers: [Int: Sleeper] = [:]
    var awaiting: [(count: Int, continuation: CheckedContinuation<Void, Never>)] = []

    mutating func takeReady() -> [CheckedContinuation<Void, Never>] {
      let count = sleepers.count
      defer { awaiting.removeAll { $0.count <= count } }
      return awaiting.filter { $0.count <= count }.map(\.continuation)
    }
  }

  private let state: Mutex<State>

  init(at wall: Instant = Instant(microseconds: 1_780_000_000_000_000)) {
    state = Mutex(State(wall: wall))
  }

  func now() -> Instant { state.withLock { $0.wall } }

  func uptime() -> Int64 { state.withLock { $0.uptime } }

  func set(_ wall: Instant) { state.withLock { $0.wall = wall } }

  /// Lets time pass on both clocks and wakes who slept for it.
  func advance(microseconds: Int64) {
    let woken = state.withLock { state in
      state.wall = state.wall.adding(microseconds: microseconds)
      state.uptime += microseconds
      let due = state.sleepers.filter { $0.value.due <= state.uptime }
      for number in due.keys { state.sleepers[number] = nil }
      return due.values.map(\.continuation)
    }
    for continuation in woken { continuation.resume() }
  }

  func sleep(microseconds: Int64) async throws {
    let number = state.withLock { state in
      state.nextNumber += 1
      return state.nextNumber
    }
    try await withTaskCancellationHandler {
      try await withCheckedThrowingContinuation { continuation in
        let ready = state.withLock { state -> [CheckedContinuation<Void, Never>]? in
          guard !Task.isCancelled else { return nil }
          state.sleepers[number] = Sleeper(
            due: state.uptime + microseconds, continuation: continuation)
          return state.takeReady()
        }
        guard let ready else { return continuation.resume(throwing: CancellationError()) }
        for waiting in ready { waiting.resume() }
      }
    } onCancel: {
      let sleeper = state.withLock { $0.sleepers.removeValue(forKey: number) }
      sleeper?.continuation.resume(throwing: CancellationError())
    }
  }

  /// How far off the next wake-up is.
  var nextWake: Int64? {
    state.withLock { state in state.sleepers.values.map { $0.due - state.uptime }.min() }
  }

  /// Returns when at least `count` tasks sleep: what they had to do before is done.
  func sleepers(_ count: Int) async {
    await withCheckedContinuation { continuation in
      let ready = state.withLock { state in
        state.awaiting.append((count, continuation))
        return state.takeReady()
      }
      for waiting in ready { waiting.resume() }
    }
  }
}
