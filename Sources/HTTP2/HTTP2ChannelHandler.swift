public import NIOCore

/// What the owner of a connection is told; all on the channel's event loop.
public protocol HTTP2ConnectionDelegate: AnyObject {
  func http2Started(_ connection: HTTP2ChannelHandler)
  func http2Event(_ event: HTTP2Event, on connection: HTTP2ChannelHandler)
  /// The same for an event of a stream; whoever has many calls a second implements it too.
  func http2Event(
    _ event: HTTP2StreamEvent, of stream: HTTP2Stream, on connection: HTTP2ChannelHandler)
  /// The connection's guard said something other than `.allow` of what was just read.
  func http2Judged(_ verdict: AbuseGuard.Verdict)
  /// The connection is gone; every stream was told `closed` before.
  func http2Ended(_ connection: HTTP2ChannelHandler)
}

extension HTTP2ConnectionDelegate {
  public func http2Judged(_ verdict: AbuseGuard.Verdict) {}

  public func http2Event(
    _ event: HTTP2StreamEvent, of stream: HTTP2Stream, on connection: HTTP2ChannelHandler
  ) {
    switch event {
    case .headers: http2Event(.headers(stream), on: connection)
    case .data: http2Event(.data(stream), on: connection)
    case .end: http2Event(.end(stream), on: connection)
    case .drained: http2Event(.drained(stream), on: connection)
    case .closed(let code): http2Event(.closed(stream, code), on: connection)
    }
  }
}

/// The one NIO handler of an HTTP/2 connection: moves bytes between the channel and a session and
/// tells the delegate what happened. It decides nothing about HTTP.
///
/// A read is parsed at once, as far as its frames are not so many that others would wait; all answers
/// of a read batch leave in one write when the batch ends.
/// Answers made later leave when the owner calls `flush`.
public final class HTTP2ChannelHandler: ChannelDuplexHandler {
  public typealias InboundIn = ByteBuffer
  public typealias InboundOut = Never
  public typealias OutboundIn = Never
  public typealias OutboundOut = ByteBuffer

  /// One write is at most about this long, so that the channel's high-water mark is seen in time.
  private static let writeSize = 65_536

  private let role: HTTP2Session.Role
  private let configuration: HTTP2Configuration
  private let delegate: any HTTP2ConnectionDelegate
  private var context: ChannelHandlerContext?
  /// `nil` before the start and after the end; checked again after every call into NIO, since a
  /// write or a close can end the connection before it returns.
  public private(set) var session: HTTP2Session?
  private var isTellingEvents = false
  private var isFlushing = false
  private var isClosing = false
  private var readIsWanted = false
  private var readsAreDelayed = false
  /// Monotonic nanoseconds of the last read; for keepalive.
  public private(set) var lastRead: UInt64 = 0

  public init(
    role: HTTP2Session.Role, configuration: HTTP2Configuration,
    delegate: any HTTP2ConnectionDelegate
  ) {
    self.role = role
    self.configuration = configuration
    self.delegate = delegate
  }

  public var channel: (any Channel)? { context?.channel }

  private static func now() -> UInt64 { NIODeadline.now().uptimeNanoseconds }

  // MARK: Life

  public func handlerAdded(context: ChannelHandlerContext) {
    self.context = context
    if context.channel.isActive { start(context) }
  }

  public func handlerRemoved(context: ChannelHandlerContext) {
    end()
    self.context = nil
  }

  public func channelActive(context: ChannelHandlerContext) {
    start(context)
    context.fireChannelActive()
  }

  public func channelInactive(context: ChannelHandlerContext) {
    end()
    context.fireChannelInactive()
  }

  /// A lost connection, a missing close_notify or a reset: the streams are told, nobody else.
  public func errorCaught(context: ChannelHandlerContext, error: any Error) {
    context.close(promise: nil)
  }

  private func start(_ context: ChannelHandlerContext) {
    guard session == nil, !isClosing else { return }
    lastRead = Self.now()
    do {
      session = try HTTP2Session(role: role, configuration: configuration, now: lastRead)
    } catch {
      isClosing = true
      context.fireErrorCaught(error)
      context.close(promise: nil)
      return
    }
    delegate.http2Started(self)
    flush()
  }

  private func end() {
    guard let ended = session else { return }
    isClosing = true
    backlog = ByteBuffer()
    tellEvents()
    session = nil
    let streams = ended.endAllStreams()
    for stream in streams { delegate.http2Event(.closed(.cancel), of: stream, on: self) }
    delegate.http2Ended(self)
    letGo(streams.filter { $0.queuedBytes >= Self.slowToFree })
  }

  /// To give the pages of a megabyte back to the system takes a tenth of a millisecond.
  private static let slowToFree = 1 << 18

  /// Frees long answers that nobody read one in a turn.
  private func letGo(_ streams: [HTTP2Stream]) {
    guard !streams.isEmpty, let context else { return }
    let rest = Array(streams.dropLast())
    let bound = NIOLoopBound((self, rest), eventLoop: context.eventLoop)
    context.eventLoop.scheduleTask(in: Self.pause) { bound.value.0.letGo(bound.value.1) }
  }

  /// Closes at once; unsent bytes are lost.
  public func close() {
    isClosing = true
    context?.close(promise: nil)
  }

  // MARK: Bytes in

  public func channelRead(context: ChannelHandlerContext, data: NIOAny) {
    guard session != nil, !isClosing else { return }
    lastRead = Self.now()
    var buffer = unwrapInboundIn(data)
    if backlog.readableBytes > 0 {
      backlog.writeBuffer(&buffer)
    } else {
      parse(buffer)
    }
  }

  public func channelReadComplete(context: ChannelHandlerContext) {
    framesInTurn = 0
    flush()
    context.fireChannelReadComplete()
  }

  // MARK: Turns

  /// So many bytes are parsed before the frames in them are counted.
  private var sliceSize: Int { configuration.abuse == nil ? .max : 4_096 }
  /// So many frames one connection has parsed before the others of its loop have their turn: a read
  /// can hold thousands, and a stream that is opened and reset takes more than a microsecond. Large
  /// frames are few, so a body is never held up.
  private static let framesPerTurn = 128
  /// Until the next turn: a task that is to run at once would run before the loop looks at any socket.
  private static let pause = TimeAmount.microseconds(50)

  private var framesInTurn = 0
  /// What was read and waits for the next turn; not read on before it is empty.
  private var backlog = ByteBuffer()

  private func parse(_ buffer: ByteBuffer) {
    var rest = buffer
    while let session, !isClosing,
      let slice = rest.readSlice(length: min(sliceSize, rest.readableBytes)),
      slice.readableBytes > 0
    {
      receive(slice, session)
      framesInTurn += session.takeFrameCount()
      if framesInTurn >= Self.framesPerTurn, rest.readableBytes > 0 { return setAside(rest) }
    }
  }

  private func setAside(_ rest: ByteBuffer) {
    guard let context else { return }
    backlog = rest
    let bound = NIOLoopBound(self, eventLoop: context.eventLoop)
    context.eventLoop.scheduleTask(in: Self.pause) { bound.value.parseBacklog() }
  }

  private func parseBacklog() {
    let buffer = backlog
    backlog = ByteBuffer()
    framesInTurn = 0
    parse(buffer)
    flush()
  }

  private func receive(_ slice: ByteBuffer, _ session: HTTP2Session) {
    let outcome = unsafe slice.withUnsafeReadableBytes {
      unsafe session.receive($0, now: lastRead)
    }
    if session.judgement != .allow { delegate.http2Judged(session.judgement) }
    tellEvents()
    switch outcome {
    case .proceed:
      delayReads(session)
    case .close:
      close()
    case .closeAfterOutput:
      isClosing = true
      if let context { write(session, context) }
    }
  }

  private func delayReads(_ session: HTTP2Session) {
    let delay = session.takeReadDelay()
    guard delay > 0, !readsAreDelayed, let context else { return }
    readsAreDelayed = true
    let bound = NIOLoopBound(self, eventLoop: context.eventLoop)
    context.eventLoop.scheduleTask(in: .milliseconds(Int64(delay))) {
      bound.value.readsAreDelayed = false
      bound.value.readIfWanted()
    }
  }

  /// Holds reads back while the peer's TCP does not take our answers, or was told to slow down:
  /// what is not read cannot pile up here, and TCP tells the peer. Answers that wait for the
  /// peer's window are no reason: the WINDOW_UPDATE they wait for has to be read.
  public func read(context: ChannelHandlerContext) {
    readIsWanted = true
    readIfWanted()
  }

  private func readIfWanted() {
    guard readIsWanted, !readsAreDelayed, let context else { return }
    if backlog.readableBytes > 0 { return }
    if session != nil, !context.channel.isWritable { return }
    readIsWanted = false
    context.read()
  }

  private func tellEvents() {
    guard !isTellingEvents else { return }
    isTellingEvents = true
    defer { isTellingEvents = false }
    guard let session else { return }
    // Telling one may end the connection; the rest is then told by `end`.
    while self.session != nil,
      session.tellEvent(
        { delegate.http2Event($0, of: $1, on: self) }, { delegate.http2Event($0, on: self) })
    {}
  }

  // MARK: Bytes out

  /// Monotonic nanoseconds since when the channel takes nothing; `nil` while it does.
  private var blockedSince: UInt64?

  /// Tells whether the peer's TCP has taken nothing since before `instant`.
  public func isStuck(since instant: UInt64) -> Bool {
    blockedSince.map { $0 < instant } ?? false
  }

  public func channelWritabilityChanged(context: ChannelHandlerContext) {
    blockedSince = context.channel.isWritable ? nil : Self.now()
    flush()
    context.fireChannelWritabilityChanged()
  }

  /// Sends what the session has, in one write, as far as the channel takes it. Not to be called
  /// while an event is being told; the end of the batch flushes anyway.
  public func flush() {
    guard !isFlushing, !isTellingEvents, let context, let session, !isClosing else { return }
    isFlushing = true
    while context.channel.isWritable, self.session != nil {
      let complete = write(session, context)
      tellEvents()
      if complete, !session.wantsWrite { break }
      if complete, !hasOutput { break }
    }
    isFlushing = false
    guard self.session != nil, !isClosing else { return }
    if !session.isAlive { closeAfterWrites(context) } else { readIfWanted() }
  }

  /// Whether the last `write` produced anything; without this a session that wants to write but
  /// may not (flow control) would spin.
  private var hasOutput = false
  /// How much the next write is likely to hold, so that its buffer does not grow step by step.
  private var lastWriteSize = 1_024

  @discardableResult
  private func write(_ session: HTTP2Session, _ context: ChannelHandlerContext) -> Bool {
    var output: ByteBuffer?
    let allocator = context.channel.allocator
    let capacity = lastWriteSize
    let complete = unsafe session.drain(limit: Self.writeSize, now: Self.now()) { bytes in
      if output == nil { output = allocator.buffer(capacity: max(capacity, bytes.count)) }
      _ = unsafe output?.writeBytes(bytes)
    }
    hasOutput = output != nil
    lastWriteSize = min(max(1_024, output?.readableBytes ?? 0), 16_384)
    if isClosing {
      // The last words; then nothing more may follow.
      let promise = context.eventLoop.makePromise(of: Void.self)
      let bound = NIOLoopBound(context, eventLoop: context.eventLoop)
      promise.futureResult.whenComplete { _ in bound.value.close(promise: nil) }
      context.writeAndFlush(wrapOutboundOut(output ?? ByteBuffer()), promise: promise)
    } else if let output {
      context.writeAndFlush(wrapOutboundOut(output), promise: nil)
    }
    return complete
  }

  private func closeAfterWrites(_ context: ChannelHandlerContext) {
    isClosing = true
    let promise = context.eventLoop.makePromise(of: Void.self)
    let bound = NIOLoopBound(context, eventLoop: context.eventLoop)
    promise.futureResult.whenComplete { _ in bound.value.close(promise: nil) }
    context.writeAndFlush(wrapOutboundOut(ByteBuffer()), promise: promise)
  }
}

extension HTTP2Session {
  /// Takes the time reading should stop for, and forgets it.
  func takeReadDelay() -> Int {
    defer { readDelayMilliseconds = 0 }
    return readDelayMilliseconds
  }

  /// Takes the number of frames that began to arrive, and forgets it.
  func takeFrameCount() -> Int {
    defer { framesBegun = 0 }
    return framesBegun
  }

  /// Ends every stream with the connection; the session is of no use afterwards.
  func endAllStreams() -> [HTTP2Stream] {
    failed = true
    // Streams whose end could not be told, since the connection's came while another was.
    let streams = liveStreams + events.end()
    liveStreams = []
    for stream in streams { stream.isClosed = true }
    // An event of one of them may still be being told.
    ended = streams
    return streams
  }
}
