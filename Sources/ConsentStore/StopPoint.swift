internal import Foundation
internal import Synchronization

/// Named places in a check and in a change at which a test makes the process die or stand still.
/// In release builds they are nothing.
///
/// `CONSENTD_STOP_AT=check.inserted:kill:25` kills the process (SIGKILL) when it is there for the
/// 25th time; `stop` stops it (SIGSTOP) instead. Without the number it is the first time.
public enum StopPoint: String, Sendable, CaseIterable {
  /// The head is read, or the index was asked; nothing is sent to be logged.
  case checkEntered = "check.entered"
  /// The records are on their way to the database, and not committed.
  case checkInserted = "check.inserted"
  /// The records are durable, and nobody is answered.
  case checkCommitted = "check.committed"
  /// The organization's lock is held, and nothing is written.
  case writeLocked = "write.locked"
  /// State, events and reply are written, and not committed.
  case writeInserted = "write.inserted"
  /// The change is durable, and nobody is answered.
  case writeCommitted = "write.committed"

  @inline(__always)
  public func reached() {
    #if DEBUG
      StopPlan.ofThisProcess?.reached(self)
    #endif
  }
}

#if DEBUG
  /// What `CONSENTD_STOP_AT` asks for.
  final class StopPlan: Sendable {
    static let ofThisProcess = ProcessInfo.processInfo.environment["CONSENTD_STOP_AT"]
      .flatMap { StopPlan($0) }

    let point: StopPoint
    let signal: Int32
    private let left: Atomic<Int>

    /// `nil` for what names no point, so that a mistyped plan does nothing.
    init?(_ text: String) {
      let words = text.split(separator: ":", omittingEmptySubsequences: false).map(String.init)
      guard (2...3).contains(words.count), let point = StopPoint(rawValue: words[0]),
        let signal = ["kill": SIGKILL, "stop": SIGSTOP][words[1]],
        let times = words.count == 3 ? Int(words[2]) : 1, times > 0
      else { return nil }
      self.point = point
      self.signal = signal
      left = Atomic(times)
    }

    func reached(_ point: StopPoint) {
      guard isTime(at: point) else { return }
      kill(getpid(), signal)
    }

    /// Once, however many threads are there.
    func isTime(at point: StopPoint) -> Bool {
      guard point == self.point else { return false }
      return left.wrappingSubtract(1, ordering: .relaxed).newValue == 0
    }
  }
#endif
