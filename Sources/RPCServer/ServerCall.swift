import HTTP2
import Logging
import NIOCore
import RPCWire
import SwiftProtobuf
import Synchronization

/// One call, from its headers to its last byte: the handler's task on one side, the stream on the
/// event loop on the other.
///
/// INVARIANT: the variables under "On the loop" are touched on the loop only; what both sides need
/// is behind `shared`, whose lock is never held across an `await` or a call out of this file.
/// A started task ends in exactly one `LoopOperation.finished`.
final class ServerCall: WheelEntry, @unchecked Sendable {
  let head: CallHead
  let peer: PeerInfo
  let loop: LoopContext
  /// Monotonic nanoseconds; `.max` for none.
  let deadline: UInt64
  let startedAt: UInt64

  var method: RPCMethod { head.plan.method }
  var codec: CallCodec { head.plan.codec }
  var fields: HTTP2Fields { head.fields }
  /// The content-type of the reply.
  var contentType: [UInt8] { head.plan.contentType }
  var corsOrigin: [UInt8]? { head.corsOrigin }
  /// Why the head alone refuses the call.
  var refusal: RPCError? { head.plan.refusal }
  var requestCompression: Compression? { head.plan.requestCompression }
  var replyCompression: Compression? { head.plan.replyCompression }

  struct Request {
    let bytes: [UInt8]
    /// Bytes of the flow-control window it holds.
    let cost: Int
    let isCompressed: Bool
  }

  struct Shared {
    var isOver = false
    /// Ended by its handler's answer rather than without.
    var isAnswered = false
    /// Of a pending reply: to be done if the call ends without its answer.
    var onCancel: (@Sendable () -> Void)?
    private(set) var held: Exchange?

    /// Made when it is first needed: most calls are answered without.
    var exchange: Exchange {
      mutating get {
        if let held { return held }
        let made = Exchange()
        held = made
        return made
      }
    }
  }

  /// What passes between the handler of a stream, or one with a task, and the loop.
  final class Exchange {
    /// Response bytes sent by the handler and not yet taken by the peer.
    var unsent = 0
    var writer: CheckedContinuation<Void, any Error>?
    var requests: [Request] = []
    var nextRequest = 0
    var requestsEnded = false
    var reader: CheckedContinuation<Request?, any Error>?
    /// Inflated bytes that count against the server's budget.
    var inflated = 0
    var headerFields = Metadata()
    var trailerFields = Metadata()

    var hasMetadata: Bool { !headerFields.isEmpty || !trailerFields.isEmpty }
  }
  let shared = Mutex(Shared())

  // MARK: On the loop

  var carrier: Carrier
  /// Counts the running handlers of an HTTP/2 connection, also after the stream is gone.
  var handlerConnection: HTTP2ServerConnection?
  var state: CallState
  var deframer: MessageDeframer
  /// The HTTP status of a bare error, where it is not the code's own.
  var status: Int?
  var task: Task<Void, Never>?
  /// The handler came to its end, or gave its answer.
  var handlerIsDone = false
  /// The message of a single-request call, until its task starts.
  var only: [UInt8]?
  var onlyIsCompressed = false
  var unreleased = 0
  /// Bytes of an incomplete message that were not given back to flow control yet.
  var heldBack = 0
  /// Set with the first message: the reply's head names an encoding.
  var announcesCompression = false
  /// Everything a call holds was let go.
  var isOver = false
  var wheelSlot = -1
  var wheelIndex = 0

  init(head: CallHead, peer: PeerInfo, loop: LoopContext, now: UInt64, carrier: Carrier) {
    self.head = head
    status = head.plan.status
    only = head.plan.getMessage
    self.peer = peer
    self.loop = loop
    self.carrier = carrier
    startedAt = now
    deadline = head.plan.timeout.map { now &+ $0 } ?? .max
    state = CallState(requestIsSingle: !head.plan.method.info.shape.streamsRequests)
    deframer = MessageDeframer(
      maximumBytes: loop.server.configuration.limits.messageBytes, allowedFlags: 1)
  }
}

// MARK: - The task's side

extension ServerCall {
  /// Runs the whole of a call in its task and reports its end to the loop.
  func perform(
    _ interceptor: Interceptor?, _ body: (CallContext) async throws -> [UInt8]?
  ) async {
    var context = CallContext(call: self)
    defer { keepInflated(0) }
    do {
      if let interceptor { try await interceptor(method.info, &context) }
      let last = try await body(context)
      let message: EncodedMessage? =
        if let last { await loop.server.compressionThread.written(last, for: self) } else { nil }
      handlerEnded(last: message, error: nil)
    } catch {
      handlerEnded(last: nil, error: render(error))
    }
  }

  /// Runs a call in a task up to where its handler has begun; its reply ends it, from anywhere.
  func beginPending(_ interceptor: Interceptor?, _ begin: RPCMethod.Begin) async {
    var context = CallContext(call: self)
    do {
      if let interceptor { try await interceptor(method.info, &context) }
      let bytes = try await onlyRequest()
      try Task.checkCancellation()
      begin(self, bytes, context)
    } catch {
      handlerEnded(last: nil, error: render(error))
    }
  }

  /// Runs the handler, unless so many answers wait on its connection that its own would be dropped:
  /// what is asked for is then not done, and nothing is made in vain.
  func run(_ interceptor: Interceptor?, in lane: HandlerLane?) async {
    guard lane?.answersPileUp.load(ordering: .relaxed) != true else {
      return handlerEnded(last: nil, error: StandardErrors.unreadAnswers)
    }
    await method.info.run(self, interceptor)
  }

  private func handlerEnded(last: EncodedMessage?, error: RPCError?) {
    loop.enqueue(.finished(self, last: last, error: error))
  }

  /// Decides what the caller learns of an error.
  func render(_ error: any Error) -> RPCError {
    switch error {
    case let error as RPCError: return error
    case let fault as WireFault: return RPCError(fault.code, fault.message)
    case is CancellationError: return RPCError(.cancelled, "the call was cancelled")
    default:
      loop.server.logger.error(
        "handler failed",
        metadata: ["method": "\(method.info.path)", "error": "\(error)"])
      return RPCError(.unknown, "the service failed; the cause is in its log")
    }
  }

  func decode<M: Message>(_ bytes: [UInt8]) throws(RPCError) -> M {
    do {
      switch codec.encoding {
      case .proto: return try M(serializedBytes: bytes)
      case .json: return try M(jsonUTF8Bytes: bytes)
      }
    } catch {
      // The parser's text may quote the message, so it is not passed on.
      throw RPCError(
        codec.wireProtocol == .connect ? .invalidArgument : .internal,
        "the request message cannot be read as \(M.protoMessageName)")
    }
  }

  func encode<M: Message>(_ message: M) throws(RPCError) -> [UInt8] {
    let bytes: [UInt8]
    do {
      switch codec.encoding {
      case .proto: bytes = try message.serializedBytes()
      case .json: bytes = try message.jsonUTF8Bytes()
      }
    } catch {
      throw RPCError(.internal, "the answer cannot be written as \(M.protoMessageName)")
    }
    try checkSize(ofAnswer: bytes.count)
    return bytes
  }

  func checkSize(ofAnswer count: Int) throws(RPCError) {
    let limit = loop.server.configuration.limits.messageBytes
    guard count <= limit else {
      throw RPCError(
        .resourceExhausted,
        "the answer of \(count) bytes is above the limit of \(limit); ask for less at a time")
    }
  }

  /// The message of a unary or server-streaming call; complete before the task starts.
  func onlyRequest() async throws -> [UInt8] {
    guard let request = try await takeRequest() else {
      throw RPCError(.unimplemented, "this method takes one message, none came")
    }
    return try await content(of: request)
  }

  /// The next message of a streaming caller; `nil` after its last.
  func nextRequest() async throws -> [UInt8]? {
    guard let request = try await takeRequest() else { return nil }
    if request.cost > 0 { loop.enqueue(.taken(self, bytes: request.cost)) }
    return try await content(of: request)
  }

  private func content(of request: Request) async throws -> [UInt8] {
    keepInflated(0)
    guard request.isCompressed, let requestCompression else { return request.bytes }
    do {
      let (bytes, counted) = try await loop.server.compressionThread.inflate(
        request.bytes, by: requestCompression,
        limit: loop.server.configuration.limits.messageBytes)
      keepInflated(counted)
      return bytes
    } catch let fault as WireFault {
      throw inflatingFailed(fault)
    }
  }

  /// Connect's bare messages count damaged data among the caller's mistakes.
  func inflatingFailed(_ fault: WireFault) -> RPCError {
    let isInvalid = codec.isBare && fault.code == .internal
    return RPCError(isInvalid ? .invalidArgument : fault.code, fault.message)
  }

  /// The message before is no longer held; `count` bytes of the present one are.
  func keepInflated(_ count: Int) {
    let before = shared.withLock { shared in
      defer { shared.exchange.inflated = count }
      return shared.exchange.inflated
    }
    loop.server.compressionThread.release(before)
  }

  fileprivate enum Taken {
    case now(Request?)
    case later
  }

  private func takeRequest() async throws -> Request? {
    if case .now(let request) = try shared.withLock({ try $0.take() }) { return request }
    return try await withTaskCancellationHandler {
      try await withCheckedThrowingContinuation { continuation in
        let result: Result<Taken, any Error> = shared.withLock { shared in
          let taken = Result { try shared.take() }
          if case .success(.later) = taken { shared.exchange.reader = continuation }
          return taken
        }
        switch result {
        case .success(.now(let request)): continuation.resume(returning: request)
        case .success(.later): break
        case .failure(let error): continuation.resume(throwing: error)
        }
      }
    } onCancel: {
      end()
    }
  }

  /// Sends one response message; suspends while too much of the stream waits.
  func send(_ bytes: [UInt8]) async throws {
    try Task.checkCancellation()
    let limit = loop.server.configuration.limits.queuedBytesPerStream
    let mustWait = try shared.withLock { shared in
      guard !shared.isOver else { throw CancellationError() }
      shared.exchange.unsent += bytes.count + 5
      return shared.exchange.unsent > limit
    }
    loop.enqueue(.message(self, await loop.server.compressionThread.written(bytes, for: self)))
    guard mustWait else { return }
    try await withTaskCancellationHandler {
      try await withCheckedThrowingContinuation { continuation in
        let (isOver, isDrained) = shared.withLock { shared in
          let isDrained = shared.exchange.unsent <= limit / 2
          if !shared.isOver, !isDrained { shared.exchange.writer = continuation }
          return (shared.isOver, isDrained)
        }
        if isOver {
          continuation.resume(throwing: CancellationError())
        } else if isDrained {
          continuation.resume()
        }
      }
    } onCancel: {
      end()
    }
  }

  func sendHeaders() { loop.enqueue(.sendHeaders(self)) }

  func addResponseField(_ name: String, _ value: [UInt8], trailing: Bool) {
    let entry = Metadata.Entry(name: ASCII.lowercased(Array(name.utf8)), value: value)
    guard Metadata.isLegalUserName(entry.name),
      entry.isBinary || Metadata.isLegalASCIIValue(value)
    else { return }
    shared.withLock { shared in
      if trailing {
        shared.exchange.trailerFields.entries.append(entry)
      } else {
        shared.exchange.headerFields.entries.append(entry)
      }
    }
  }

  /// From any thread: nothing more is sent or received; whoever waits is woken with an error.
  ///
  /// - Parameter isAnswered: by its handler, which therefore is not told of the end.
  func end(isAnswered: Bool = false) {
    let (mayWait, onCancel) = shared.withLock { shared in
      shared.isOver = true
      shared.isAnswered = isAnswered
      defer { shared.onCancel = nil }
      return (shared.held != nil, shared.onCancel)
    }
    if mayWait { wakeWithError() }
    if !isAnswered { onCancel?() }
  }

  private func wakeWithError() {
    let (writer, reader) = shared.withLock { shared in
      defer {
        shared.exchange.writer = nil
        shared.exchange.reader = nil
      }
      return (shared.exchange.writer, shared.exchange.reader)
    }
    writer?.resume(throwing: CancellationError())
    reader?.resume(throwing: CancellationError())
  }
}

extension ServerCall.Shared {
  fileprivate mutating func take() throws -> ServerCall.Taken {
    if let request = exchange.next() { return .now(request) }
    guard !isOver else { throw CancellationError() }
    return exchange.requestsEnded ? .now(nil) : .later
  }
}

extension ServerCall.Exchange {
  fileprivate func next() -> ServerCall.Request? {
    guard nextRequest < requests.count else { return nil }
    let request = requests[nextRequest]
    nextRequest += 1
    if nextRequest == requests.count {
      requests.removeAll(keepingCapacity: true)
      nextRequest = 0
    }
    return request
  }
}
