import Logging
import RPCWire
public import SwiftProtobuf
import Synchronization

/// The answer that a handler owes to a caller, given from any thread and exactly once.
///
/// What comes after the first answer is ignored. A reply that is let go of without an answer is
/// answered with an error, so that no caller waits for nothing and no handler counts as running for
/// ever. Answers given while the loop has not come to them yet are taken and written together.
public final class PendingReply<Response: Message & Sendable>: Sendable, OwedAnswer {
  let call: ServerCall

  private enum State {
    case open
    /// To be made on the loop.
    case made(by: @Sendable () throws -> Response)
    case given
  }
  private let state = Mutex(State.open)

  init(call: ServerCall) { self.call = call }

  deinit {
    if case .open = state.withLock({ $0 }) { call.handlerLetGo() }
  }

  /// Answers with a message, which is written out on this thread.
  public func answer(_ response: Response) {
    guard take() else { return }
    do throws(RPCError) {
      call.handlerReplied(try call.encode(response))
    } catch {
      call.handlerReplied(error)
    }
  }

  /// Answers with a message that is made and written out on the connection's loop: for whoever has
  /// many answers to give and should not be kept.
  ///
  /// - Parameter make: takes microseconds and does not wait. What it throws is the answer.
  public func answer(by make: @escaping @Sendable () throws -> Response) {
    let isFirst = state.withLock { state in
      guard case .open = state else { return false }
      state = .made(by: make)
      return true
    }
    if isFirst { call.handlerReplied(self) }
  }

  /// Answers with an error, as if a handler had thrown it.
  public func fail(_ error: any Error) {
    if take() { call.handlerReplied(call.render(error)) }
  }

  /// Runs `body`, on any thread, if the call ends before it is answered: the caller left, its
  /// deadline passed, the connection was lost. At once if it has ended already; never after an
  /// answer. The handler counts as running until it answers all the same. One `body` is kept, the
  /// last.
  public func whenCancelled(_ body: @escaping @Sendable () -> Void) {
    guard case .open = state.withLock({ $0 }) else { return }
    if call.onCancel(body) { body() }
  }

  private func take() -> Bool {
    state.withLock { state in
      guard case .open = state else { return false }
      state = .given
      return true
    }
  }

  func encoded() throws -> [UInt8] {
    let made = state.withLock { state in
      defer { state = .given }
      return state
    }
    guard case .made(let make) = made else { throw StandardErrors.unanswered }
    return try call.encode(try make())
  }
}

/// An answer that was given and is not encoded yet.
protocol OwedAnswer: AnyObject, Sendable {
  var call: ServerCall { get }
  /// On the loop, once.
  func encoded() throws -> [UInt8]
}

// MARK: - The call of a pending reply

extension ServerCall {
  /// Keeps what is to be done when the call ends unanswered.
  ///
  /// - Returns: true if it has ended so: the caller of this does it.
  func onCancel(_ body: @escaping @Sendable () -> Void) -> Bool {
    let (isCancelled, before) = shared.withLock { shared in
      guard !shared.isOver else { return (!shared.isAnswered, nil as (@Sendable () -> Void)?) }
      defer { shared.onCancel = body }
      return (false, shared.onCancel)
    }
    // Let go of outside of the lock, in case it ends something.
    _ = before
    return isCancelled
  }

  /// Nobody can answer any more. After a cancellation nobody has to.
  func handlerLetGo() {
    if !shared.withLock({ $0.isOver }) {
      loop.server.logger.error(
        "handler gave no answer", metadata: ["method": "\(method.info.path)"])
    }
    handlerReplied(StandardErrors.unanswered)
  }

  func handlerReplied(_ bytes: [UInt8]) { handlerReplied(last: bytes, error: nil) }

  func handlerReplied(_ error: RPCError) { handlerReplied(last: nil, error: error) }

  private func handlerReplied(last: [UInt8]?, error: RPCError?) {
    if loop.isStarting(self) {
      taskEnded(last: last, error: error)
    } else {
      loop.enqueue(.finished(self, last: last, error: error))
    }
  }

  func handlerReplied(_ answer: some OwedAnswer) {
    if loop.isStarting(self) { finish(answer) } else { loop.enqueue(.answered(answer)) }
  }

  /// On the loop.
  func finish(_ answer: any OwedAnswer) {
    // Nobody reads it, so it is not made.
    guard state.reply != .ended else { return taskEnded(last: nil, error: nil) }
    do {
      taskEnded(last: try answer.encoded(), error: nil)
    } catch {
      taskEnded(last: nil, error: render(error))
    }
  }
}
