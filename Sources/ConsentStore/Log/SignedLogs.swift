internal import ConsentCore
internal import Synchronization

/// The newest signed state of each log that this process writes, for those who ask for a
/// checkpoint before the next batch has stored the signature.
final class SignedLogs: Sendable {
  private let states = Mutex<[ID<DecisionLog>: LogState]>([:])

  /// A log has one writer, which puts its states in order.
  func put(_ state: LogState) {
    guard !state.signature.isEmpty else { return }
    states.withLock { $0[state.id] = state }
  }

  func state(of log: ID<DecisionLog>) -> LogState? { states.withLock { $0[log] } }
}
