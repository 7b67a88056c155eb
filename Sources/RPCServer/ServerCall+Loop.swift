import HTTP2
import RPCWire
import Synchronization

/// The loop's side of a call: what arrives, what the task sends, and every way it can end.
extension ServerCall {
  // MARK: Request

  /// Starts what can be started from the head.
  func begin() {
    if let refusal { return finish(last: nil, error: refusal) }
    if deadline <= startedAt { return deadlineExpired() }
    if deadline != .max { loop.addDeadline(of: self) }
    if method.info.shape.streamsRequests { start() }
  }

  /// True while nothing can happen before more of the request arrives.
  var waitsForBody: Bool {
    guard state.reply != .ended, !state.requestEnded else { return false }
    return !method.info.shape.streamsRequests || deframer.pendingCount > 0
  }

  /// Takes DATA. The bytes of a complete message go back to flow control when the handler takes it,
  /// those of an incomplete one at once, since it may be longer than the window; but not while others
  /// wait to be taken, or nothing would hold back a caller who is faster than the handler.
  func receive(_ bytes: [UInt8]) {
    guard state.reply != .ended else { return carrier.consume(bytes.count) }
    if codec.isBare { return receiveBare(bytes) }
    let pendingBefore = deframer.pendingCount
    var fault: WireFault?
    var givenBack = pendingBefore - heldBack
    var deferred = 0
    var isStillTheSame = true
    do throws(WireFault) {
      try deframer.feed(bytes) { message in
        guard fault == nil else { return }
        let cost = 5 + message.bytes.count - givenBack
        givenBack = 0
        isStillTheSame = false
        switch state.received() {
        case .deliver:
          do throws(WireFault) {
            try deliver(message, cost: cost)
            if method.info.shape.streamsRequests { deferred += cost }
          } catch { fault = error }
        case .ignore: break
        case .fail(let violation): fault = violation
        }
      }
    } catch { fault = fault ?? error }
    let arrived = deframer.pendingCount - (isStillTheSame ? pendingBefore : 0)
    if !isStillTheSame {
      deferred -= heldBack
      heldBack = 0
    }
    if arrived > 0, hasUntakenRequests {
      deferred += arrived
      heldBack += arrived
    }
    carrier.consume(bytes.count - deferred)
    let change = deframer.pendingCount - pendingBefore
    if change != 0, !carrier.assembling(changedBy: change) {
      return fail(StandardErrors.assemblingTooMuch)
    }
    if let fault { fail(RPCError(fault.code, fault.message)) }
  }

  private var hasUntakenRequests: Bool {
    shared.withLock { shared in
      shared.held.map { $0.nextRequest < $0.requests.count } ?? false
    }
  }

  private func receiveBare(_ bytes: [UInt8]) {
    carrier.consume(bytes.count)
    guard codec.form != .connectGet else {
      status = 415
      return fail(RPCError(.invalidArgument, "a GET takes no body"))
    }
    let limit = loop.server.configuration.limits.messageBytes
    guard (only?.count ?? 0) + bytes.count <= limit else {
      return fail(
        RPCError(.resourceExhausted, "message above the limit of \(limit) bytes; send less"))
    }
    // In place: a copy per piece would make a body of many small pieces cost its square.
    if only == nil { only = bytes } else { only?.append(contentsOf: bytes) }
    if !carrier.assembling(changedBy: bytes.count) { fail(StandardErrors.assemblingTooMuch) }
  }

  private func deliver(_ message: FramedMessage, cost: Int) throws(WireFault) {
    guard !message.isCompressed || requestCompression != nil else {
      throw WireFault(.internal, "a compressed message needs a header that names its encoding")
    }
    let isCompressed = message.isCompressed && !message.bytes.isEmpty
    guard method.info.shape.streamsRequests else {
      only = message.bytes
      onlyIsCompressed = isCompressed
      return
    }
    let request = Request(bytes: message.bytes, cost: max(0, cost), isCompressed: isCompressed)
    let reader = shared.withLock { shared in
      let exchange = shared.exchange
      if exchange.reader == nil { exchange.requests.append(request) }
      defer { exchange.reader = nil }
      return exchange.reader
    }
    reader?.resume(returning: request)
  }

  /// The caller's END_STREAM.
  func receiveEnd() {
    guard state.reply != .ended else { return }
    if codec.isBare { return receiveBareEnd() }
    do throws(WireFault) { try deframer.finish() } catch {
      return fail(RPCError(error.code, error.message))
    }
    switch state.receivedEnd() {
    case .deliverEnd: method.info.shape.streamsRequests ? endRequests() : startOnly()
    case .ignore: break
    case .fail(let fault): fail(RPCError(fault.code, fault.message))
    }
  }

  private func receiveBareEnd() {
    if codec.form != .connectGet { carrier.assembling(changedBy: -(only?.count ?? 0)) }
    _ = state.received()
    guard case .deliverEnd = state.receivedEnd() else { return }
    let body = only ?? []
    only = body
    onlyIsCompressed = requestCompression != nil && !body.isEmpty
    startOnly()
  }

  private func endRequests() {
    let reader = shared.withLock { shared in
      let exchange = shared.exchange
      exchange.requestsEnded = true
      defer { exchange.reader = nil }
      return exchange.reader
    }
    reader?.resume(returning: nil)
  }

  private func startOnly() {
    guard let bytes = only else { return }
    only = nil
    if let runInline = method.info.runInline { return startInline(runInline, bytes) }
    // What has to be inflated first would keep the loop from everybody else.
    if let begin = method.info.begin, !onlyIsCompressed { return start(begin, bytes) }
    keepOnly(bytes)
    start()
  }

  /// For the handler's task to take.
  private func keepOnly(_ bytes: [UInt8]) {
    shared.withLock { shared in
      shared.exchange.requests.append(
        Request(bytes: bytes, cost: 0, isCompressed: onlyIsCompressed))
      shared.exchange.requestsEnded = true
    }
  }

  /// Methods that answer on the loop take small messages, so theirs are inflated there too.
  private func startInline(_ run: (ServerCall, [UInt8]) -> Void, _ bytes: [UInt8]) {
    guard onlyIsCompressed, let requestCompression else { return run(self, bytes) }
    do throws(WireFault) {
      run(self, try requestCompression.inflate(bytes, limit: CompressionThread.smallOnLoop))
    } catch {
      finish(last: nil, error: inflatingFailed(error))
    }
  }

  /// Counts one more running handler, or refuses the call since too many run already.
  private func countHandler() -> Bool {
    let server = loop.server
    let limit = server.configuration.limits.runningHandlers
    let running = server.runningHandlers.wrappingAdd(1, ordering: .relaxed).newValue
    guard running <= limit, carrier.mayRunAnotherHandler else {
      server.runningHandlers.wrappingSubtract(1, ordering: .relaxed)
      fail(StandardErrors.overloaded)
      return false
    }
    handlerConnection = carrier.handlerStarted()
    return true
  }

  /// Begins a handler that answers later, here if its caller can be judged at once.
  private func start(_ begin: @escaping RPCMethod.Begin, _ bytes: [UInt8]) {
    guard countHandler() else { return }
    guard carrier.lane?.answersPileUp.load(ordering: .relaxed) != true else {
      return taskEnded(last: nil, error: StandardErrors.unreadAnswers)
    }
    var context = CallContext(call: self)
    do throws(RPCError) {
      switch try loop.server.judgeAtOnce(method.info, &context) {
      case .admitted: loop.starting(self) { begin(self, bytes, context) }
      case .mustWait:
        keepOnly(bytes)
        startTask()
      }
    } catch {
      taskEnded(last: nil, error: error)
    }
  }

  /// Starts the handler's task, unless too many handlers run already.
  func start() {
    if countHandler() { startTask() }
  }

  private func startTask() {
    let interceptor = loop.server.configuration.interceptor
    task = Task(executorPreference: carrier.lane) { [lane = carrier.lane] in
      await self.run(interceptor, in: lane)
    }
  }

  // MARK: Reply

  /// Answers a call on the loop, without a task.
  func performInline(_ body: () throws(RPCError) -> [UInt8]) {
    do throws(RPCError) {
      finish(last: EncodedMessage(try body(), for: self), error: nil)
    } catch {
      finish(last: nil, error: error)
    }
  }

  func sendHeadersOnLoop() {
    guard !codec.isBare, state.reply == .nothingSent else { return }
    announcesCompression = replyCompression != nil
    _ = state.sendHeaders()
    carrier.sendHead(ReplyEncoder.head(of: self), endStream: false)
    carrier.touch()
  }

  func sendOnLoop(_ message: EncodedMessage) {
    guard carrier.mayQueue(message.bytes.count) else { return fail(StandardErrors.unreadAnswers) }
    write(message)
    let size = message.bytes.count + 5
    let half = loop.server.configuration.limits.queuedBytesPerStream / 2
    unreleased += size
    if carrier.queuedBytes < half {
      released()
    } else {
      carrier.wantDrained()
    }
    carrier.touch()
  }

  private func write(_ message: EncodedMessage) {
    if state.reply == .nothingSent, replyCompression != nil {
      // A single short answer is never compressed, so nothing is announced for it.
      announcesCompression =
        method.info.shape.streamsResponses || message.bytes.count >= Compression.threshold
    }
    switch state.send() {
    case .headersAndMessage:
      carrier.sendHead(ReplyEncoder.head(of: self), endStream: false)
    case .message: break
    case .drop: return
    }
    if announcesCompression, let compressed = message.compressed {
      carrier.sendMessage(flags: 1, compressed)
    } else {
      carrier.sendMessage(flags: 0, message.bytes)
    }
  }

  /// The stream's queue fell below half: what was sent before counts no longer.
  func released() {
    let amount = unreleased
    unreleased = 0
    let limit = loop.server.configuration.limits.queuedBytesPerStream
    let writer = shared.withLock { shared -> CheckedContinuation<Void, any Error>? in
      let exchange = shared.exchange
      exchange.unsent -= amount
      guard exchange.unsent <= limit / 2 else { return nil }
      defer { exchange.writer = nil }
      return exchange.writer
    }
    writer?.resume()
  }

  func takenOnLoop(_ bytes: Int) {
    carrier.consume(bytes)
    if heldBack > 0, !hasUntakenRequests {
      carrier.consume(heldBack)
      heldBack = 0
    }
    carrier.touch()
  }

  // MARK: Ends

  /// The task returned or threw, or the handler gave its reply.
  func taskEnded(last: EncodedMessage?, error: RPCError?) {
    handlerIsDone = true
    task = nil
    if onlyIsCompressed, method.info.begin != nil { keepInflated(0) }
    loop.server.runningHandlers.wrappingSubtract(1, ordering: .relaxed)
    handlerConnection?.runningHandlers -= 1
    handlerConnection = nil
    finish(last: last, error: error)
  }

  /// Refuses the call from the loop; a running task is cancelled and its result dropped.
  func fail(_ error: RPCError) {
    finish(last: nil, error: error)
    cancelTask()
  }

  /// Sends the last message and the status, once; later calls do nothing.
  func finish(last: EncodedMessage?, error: RPCError?) {
    guard state.reply != .ended else { return }
    if error == nil, let last, let head = plainHead(for: last.bytes),
      carrier.answer(head: head, message: last.bytes)
    {
      _ = state.finish()
      report(.ok)
      return over()
    }
    guard carrier.mayQueue(last?.bytes.count ?? 0) || last == nil else {
      return finish(last: nil, error: StandardErrors.unreadAnswers)
    }
    if codec.isBare {
      _ = state.finish()
      ReplyEncoder.sendBare(self, body: last, error: error)
    } else {
      if let last { write(last) }
      let action = state.finish()
      ReplyEncoder.sendEnd(self, error: error, trailersOnly: action == .trailersOnly)
    }
    carrier.touch()
    report(error?.code ?? .ok)
    over()
  }

  /// The head of a reply that has nothing of its own: gRPC, one message, no metadata, nothing
  /// compressed, as of almost every call. Such a reply is sent in one step.
  private func plainHead(for last: [UInt8]) -> HTTP2PreparedFields? {
    guard let head = head.preparedHead, state.reply == .nothingSent,
      replyCompression == nil || last.count < Compression.threshold,
      shared.withLock({ $0.held?.hasMetadata != true })
    else { return nil }
    return head
  }

  func deadlineExpired() {
    guard state.reply != .ended else { return }
    if state.reply == .headersSent, carrier.queuedBytes > 0 {
      // Trailers would stand behind a message that the peer does not take.
      _ = state.finish()
      carrier.reset(.cancel)
      carrier.touch()
      report(.deadlineExceeded)
      over()
    } else {
      finish(last: nil, error: StandardErrors.deadlineExceeded)
    }
    cancelTask()
  }

  /// The stream is gone: answered, reset by the caller, or lost with the connection.
  func closed() {
    if state.reply != .ended {
      _ = state.finish()
      report(.cancelled)
    }
    over()
    cancelTask()
    carrier = .detached
  }

  private func over() {
    guard !isOver else { return }
    isOver = true
    loop.removeDeadline(of: self)
    dropRequest()
    end(isAnswered: handlerIsDone)
  }

  /// Frees what arrived of an unfinished message.
  private func dropRequest() {
    let bare = codec.form == .connectUnary && !state.requestEnded ? only?.count ?? 0 : 0
    let held = deframer.pendingCount + bare
    if held > 0 {
      carrier.assembling(changedBy: -held)
      deframer = MessageDeframer(maximumBytes: 0)
    }
    only = nil
  }

  private func cancelTask() {
    task?.cancel()
    task = nil
  }

  private func report(_ code: RPCCode) {
    guard let observer = loop.server.configuration.observer else { return }
    observer(
      RPCServerConfiguration.CallReport(
        method: method.info === Router.noMethod.info ? nil : method.info,
        wireProtocol: codec.wireProtocol, code: code,
        durationNanoseconds: RPCClock.now() &- startedAt))
  }
}
