import Dispatch
import Foundation
import Testing

/// Two threads write to one place. `ops/test --thread-sanitizer` runs it to show that it would see a
/// race if there were one.
@Suite(.enabled(if: ProcessInfo.processInfo.environment["CONSENTD_RACE"] == "yes"))
struct DeliberateRaceTests {
  private final class Place: @unchecked Sendable {
    var value = 0
  }

  /// Threads of their own, since a queue may do all its work on the thread that asks.
  @Test func twoThreadsWrite() {
    let place = Place()
    let ended = DispatchSemaphore(value: 0)
    for _ in 0..<2 {
      Thread.detachNewThread {
        for _ in 0..<1_000 { place.value &+= 1 }
        ended.signal()
      }
    }
    for _ in 0..<2 { ended.wait() }
  }
}
