import Logging
import RPCWire
public import SwiftProtobuf
import Synchronization

/// The answer that a handler owes to a caller, given from any thread and exactly once.
///
/// What comes after the first answer is ignored. A reply that is let go of without an answer is
/// answered with an error, so that no caller waits for nothing and no handler counts as running for
/// ever. Answers of a batch are best given in `AnswersTogether.give`.
public struct PendingReply<Response: Message & Sendable>: Sendable {
  let owed: OwedAnswer

  init(call: ServerCall) { owed = OwedAnswer(call: call) }

  /// Answers with a message, which is written out on this thread.
  public func answer(_ response: Response) {
    guard owed.take() else { return }
    do throws(RPCError) {
      owed.call.handlerReplied(try owed.call.encode(response))
    } catch {
      owed.call.handlerReplied(error)
    }
  }

  /// Answers with a message that is made and written out on the connection's loop: for whoever has
  /// many answers to give and should not be kept.
  ///
  /// - Parameter make: takes microseconds and does not wait. What it throws is the answer.
  public func answer(by make: @escaping @Sendable () throws -> Response) {
    owed.answer { try $0.encode(try make()) }
  }

  /// Whether the caller reads protobuf, as `answerBytes` asks for.
  public var isProtobuf: Bool { owed.call.codec.encoding == .proto }

  /// Answers with what protobuf writes of a message, made on the connection's loop. A caller who
  /// reads another encoding is answered INTERNAL.
  ///
  /// - Parameter make: takes microseconds and does not wait. What it throws is the answer.
  public func answerBytes(by make: @escaping @Sendable () throws -> [UInt8]) {
    owed.answerBytes(by: make)
  }

  /// Answers with an error, as if a handler had thrown it.
  public func fail(_ error: any Error) {
    if owed.take() { owed.call.handlerReplied(owed.call.render(error)) }
  }

  /// Runs `body`, on any thread, if the call ends before it is answered: the caller left, its
  /// deadline passed, the connection was lost. At once if it has ended already; never after an
  /// answer. The handler counts as running until it answers all the same. One `body` is kept, the
  /// last.
  public func whenCancelled(_ body: @escaping @Sendable () -> Void) {
    if owed.isOpen, owed.call.onCancel(body) { body() }
  }
}

/// What a `PendingReply` is, whatever its messages are.
final class OwedAnswer: Sendable {
  typealias Encode = @Sendable (ServerCall) throws -> [UInt8]

  let call: ServerCall

  private enum State {
    case open
    /// To be made on the loop.
    case made(by: Encode)
    case written(by: @Sendable () throws -> [UInt8])
    case given
  }
  private let state = Mutex(State.open)

  init(call: ServerCall) { self.call = call }

  deinit { if isOpen { call.handlerLetGo() } }

  var isOpen: Bool {
    state.withLock { if case .open = $0 { true } else { false } }
  }

  /// - Returns: true for whoever comes first.
  func take() -> Bool { become(.given) }

  func answer(_ encode: @escaping Encode) {
    if become(.made(by: encode)) { call.handlerReplied(self) }
  }

  func answerBytes(by make: @escaping @Sendable () throws -> [UInt8]) {
    if become(.written(by: make)) { call.handlerReplied(self) }
  }

  private func become(_ new: State) -> Bool {
    state.withLock { state in
      guard case .open = state else { return false }
      state = new
      return true
    }
  }

  /// On the loop, once.
  func encoded() throws -> [UInt8] {
    let made = state.withLock { state in
      defer { state = .given }
      return state
    }
    switch made {
    case .made(let encode): return try encode(call)
    case .written(let make):
      guard call.codec.encoding == .proto else { throw StandardErrors.unanswered }
      let bytes = try make()
      try call.checkSize(ofAnswer: bytes.count)
      return bytes
    case .open, .given: throw StandardErrors.unanswered
    }
  }
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

  func handlerReplied(_ bytes: [UInt8]) {
    handlerReplied(last: EncodedMessage(bytes, for: self), error: nil)
  }

  func handlerReplied(_ error: RPCError) { handlerReplied(last: nil, error: error) }

  private func handlerReplied(last: EncodedMessage?, error: RPCError?) {
    if loop.isStarting(self) {
      taskEnded(last: last, error: error)
    } else {
      loop.enqueueAnswer(.finished(self, last: last, error: error))
    }
  }

  func handlerReplied(_ answer: OwedAnswer) {
    if loop.isStarting(self) { finish(answer) } else { loop.enqueueAnswer(.answered(answer)) }
  }

  /// On the loop.
  func finish(_ answer: OwedAnswer) {
    // Nobody reads it, so it is not made.
    guard state.reply != .ended else { return taskEnded(last: nil, error: nil) }
    do {
      taskEnded(last: EncodedMessage(try answer.encoded(), for: self), error: nil)
    } catch {
      taskEnded(last: nil, error: render(error))
    }
  }
}
