import RPCServer
import Synchronization

/// Whether this node can answer a new call now, for load balancers: it has started, it does not
/// drain, and the database answered a probe a short while ago. A probe that hangs makes a node
/// unready by itself, without waiting for its failure.
public final class Readiness: Sendable {
  enum State: Equatable {
    case starting
    case ready
    case databaseFailed
    /// No probe came back for this many seconds.
    case probeOverdue(seconds: UInt64)
    case draining

    var text: String {
      switch self {
      case .starting: "not ready: starting"
      case .ready: "ready"
      case .databaseFailed: "not ready: the database does not answer as it should"
      case .probeOverdue(let seconds): "not ready: no answer of the database for \(seconds) s"
      case .draining: "not ready: draining"
      }
    }
  }

  private struct Board {
    var hasStarted = false
    var isDraining = false
    var last: (succeeded: Bool, at: UInt64)?
  }

  static let overdueAfter: UInt64 = 10_000_000_000
  private let board = Mutex(Board())

  public init() {}

  public func started() { board.withLock { $0.hasStarted = true } }

  public func drains() { board.withLock { $0.isDraining = true } }

  func probed(succeeded: Bool, at now: UInt64 = RPCClock.now()) {
    board.withLock { $0.last = (succeeded, now) }
  }

  /// - Parameter now: monotonic nanoseconds.
  func state(at now: UInt64 = RPCClock.now()) -> State {
    board.withLock { board in
      if board.isDraining { return .draining }
      guard board.hasStarted, let last = board.last else { return .starting }
      guard last.succeeded else { return .databaseFailed }
      let age = now > last.at ? now - last.at : 0
      return age > Self.overdueAfter ? .probeOverdue(seconds: age / 1_000_000_000) : .ready
    }
  }
}
