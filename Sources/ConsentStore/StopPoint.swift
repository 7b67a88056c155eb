internal import Foundation
internal import Synchronization

/// Named places in a check and in a change at which a test makes the process die or stand still.
/// In release builds they are nothing.
///
/// `CONSENTD_STOP_AT=check.inserted:kill:25` kills the process (SIGKILL) when it is there for the
/// 25th time; `stop` stops it (SIGSTOP) instead. Without the number it is the first time. `pause`
/// holds the thread that is there for a moment, each of the first times: what else the process does
/// overtakes it.
public enum StopPoint: String, Sendable, CaseIterable {
  /// Decisions are taken on the index, and what they are to be compared with is not yet written down.
  case checkTaken = "check.taken"
  /// The head is read, or the index was asked; nothing is sent to be logged.
  case checkEntered = "check.entered"
  /// The records are on their way to the database, and not committed.
  case checkInserted = "check.inserted"
  /// The records are durable, and nobody is answered.
  case checkCommitted = "check.committed"
  /// What was read is on its way to the activity log, and not committed.
  case activityInserted = "activity.inserted"
  /// It is durable there, and nobody is answered.
  case activityCommitted = "activity.committed"
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

    enum Action: String {
      case kill, stop, pause
    }

    /// A pause: long beside a reading, short beside a caller's patience.
    static let pauseMicroseconds: UInt32 = 40_000

    let point: StopPoint
    let action: Action
    private let left: Atomic<Int>

    /// `nil` for what names no point, so that a mistyped plan does nothing.
    init?(_ text: String) {
      let words = text.split(separator: ":", omittingEmptySubsequences: false).map(String.init)
      guard (2...3).contains(words.count), let point = StopPoint(rawValue: words[0]),
        let action = Action(rawValue: words[1]),
        let times = words.count == 3 ? Int(words[2]) : 1, times > 0
      else { return nil }
      self.point = point
      self.action = action
      left = Atomic(times)
    }

    func reached(_ point: StopPoint) {
      guard isTime(at: point) else { return }
      switch action {
      case .kill: kill(getpid(), SIGKILL)
      case .stop: kill(getpid(), SIGSTOP)
      case .pause: usleep(Self.pauseMicroseconds)
      }
    }

    /// Once, however many threads are there; of a pause, each of the first times.
    func isTime(at point: StopPoint) -> Bool {
      guard point == self.point else { return false }
      let left = left.wrappingSubtract(1, ordering: .relaxed).newValue
      return action == .pause ? left >= 0 : left == 0
    }
  }
#endif
