internal import ConsentCore
internal import ConsentStore
internal import Synchronization

/// One question on its way: answered exactly once, whoever comes first.
final class CheckCall: Sendable {
  typealias Body = @Sendable (any FactReader) throws -> [DecisionEntry]
  typealias Answer = @Sendable (Result<[LoggedDecision], any Error>) -> Void

  let images: [ImageKey]
  let identifiers: [Identifier]
  /// The caller knows of a change at this position.
  let atLeast: UInt64
  let body: Body
  private let waiting: Mutex<Answer?>

  init(
    images: [ImageKey], identifiers: [Identifier], atLeast: UInt64, body: @escaping Body,
    answer: @escaping Answer
  ) {
    self.images = images
    self.identifiers = identifiers
    self.atLeast = atLeast
    self.body = body
    waiting = Mutex(answer)
  }

  /// The caller has gone, or has its answer.
  var isOver: Bool { waiting.withLock { $0 == nil } }

  func answer(_ result: Result<[LoggedDecision], any Error>) {
    let answer = waiting.withLock { held in
      defer { held = nil }
      return held
    }
    answer?(result)
  }

  func fail(_ error: any Error) { answer(.failure(error)) }
}

/// A caller's task has one place to cancel its call at, also before the call exists.
final class CancellableCall: Sendable {
  private enum State {
    case waiting
    case made(CheckCall)
    case cancelled
  }

  private let state = Mutex(State.waiting)

  /// - Returns: `false` if the caller has gone already.
  func made(_ call: CheckCall) -> Bool {
    state.withLock { state in
      if case .cancelled = state { return false }
      state = .made(call)
      return true
    }
  }

  func cancel() {
    let call = state.withLock { state -> CheckCall? in
      defer { state = .cancelled }
      if case .made(let call) = state { return call }
      return nil
    }
    call?.fail(CancellationError())
  }
}
