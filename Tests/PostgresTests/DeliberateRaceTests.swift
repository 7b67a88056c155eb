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

  @Test func twoThreadsWrite() {
    let place = Place()
    DispatchQueue.concurrentPerform(iterations: 64) { _ in
      for _ in 0..<1_000 { place.value &+= 1 }
    }
  }
}
