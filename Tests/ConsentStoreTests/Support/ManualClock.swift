import ConsentCore
import ConsentStore
import Synchronization

/// A clock that stands still until it is moved.
final class ManualClock: WallClock {
  private let instant: Mutex<Instant>

  /// 2026-06-01T00:00:00Z unless said otherwise.
  init(_ start: Instant = Instant(microseconds: 1_780_272_000_000_000)) { instant = Mutex(start) }

  func now() -> Instant { instant.withLock { $0 } }

  func move(hours: Int64) {
    instant.withLock { $0 = $0.adding(microseconds: hours * .microsecondsPerHour) }
  }
}
