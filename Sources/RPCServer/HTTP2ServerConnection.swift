import HTTP2
import NIOCore
import RPCWire
import Synchronization

/// One HTTP/2 connection of the server: makes calls and pages of streams, passes events on, and
/// compares its timers with the clock once a second.
final class HTTP2ServerConnection: ServerConnection, HTTP2ConnectionDelegate {
  let loop: LoopContext
  let peer: PeerInfo
  var handler: HTTP2ChannelHandler?
  var isTouched = false
  /// Handlers that run for this connection, also for streams already reset.
  var runningHandlers = 0
  /// Bytes of incomplete messages, which were given back to flow control.
  var assemblingBytes = 0
  var life: HTTP2ConnectionLife
  private(set) lazy var lane = HandlerLane(pool: loop.server.handlers)
  /// The head of the last call; the next one's is most often the same.
  private var lastHead: CallHead?

  init(loop: LoopContext, peer: PeerInfo) {
    self.loop = loop
    self.peer = peer
    life = HTTP2ConnectionLife(configuration: loop.server.configuration, now: RPCClock.now())
  }

  /// The handler's, while there is one.
  private(set) var session: HTTP2Session?

  var mayRunAnotherHandler: Bool {
    runningHandlers < loop.server.configuration.limits.runningHandlersPerConnection
  }

  /// Whether so much more may wait for the peer.
  func mayQueue(_ count: Int, _ session: HTTP2Session) -> Bool {
    let limit = loop.server.configuration.limits.queuedBytesPerConnection
    let fits = session.queuedBytes <= limit - min(limit, count)
    if !fits { lane.answersPileUp.store(true, ordering: .relaxed) }
    return fits
  }

  /// Answers pile up no longer when half of what may wait has left.
  func noteProgress() {
    guard lane.answersPileUp.load(ordering: .relaxed) else { return }
    let limit = loop.server.configuration.limits.queuedBytesPerConnection
    guard let session, session.queuedBytes <= limit / 2 else { return }
    lane.answersPileUp.store(false, ordering: .relaxed)
  }

  func flush() { handler?.flush() }

  // MARK: Events

  func http2Started(_ connection: HTTP2ChannelHandler) {
    handler = connection
    session = connection.session
    loop.add(self)
  }

  func http2Judged(_ verdict: AbuseGuard.Verdict) { loop.server.counters.count(verdict) }

  func http2Ended(_ connection: HTTP2ChannelHandler) {
    handler = nil
    session = nil
    loop.remove(self)
  }

  func http2Event(
    _ event: HTTP2StreamEvent, of stream: HTTP2Stream, on connection: HTTP2ChannelHandler
  ) {
    switch event {
    case .headers:
      // Reset in the same read: nobody waits for the answer, so no handler starts.
      if !stream.isClosed { open(stream) }
    case .data:
      takeData(of: stream)
    case .end:
      if let call = stream.owner as? ServerCall {
        call.receiveEnd()
      } else {
        (stream.owner as? PageExchange)?.receiveEnd()
      }
    case .drained:
      (stream.owner as? ServerCall)?.released()
    case .closed:
      if let call = stream.owner as? ServerCall {
        call.closed()
      } else {
        (stream.owner as? PageExchange)?.closed()
      }
      stream.owner = nil
    }
  }

  func http2Event(_ event: HTTP2Event, on connection: HTTP2ChannelHandler) {
    switch event {
    case .pingAcknowledged(let payload):
      perform(life.pingAcknowledged(payload))
    case .settingsAcknowledged:
      life.settingsAcknowledged()
    case .headers, .data, .end, .drained, .closed, .goAway:
      break
    }
  }

  private func takeData(of stream: HTTP2Stream) {
    guard !stream.inbound.isEmpty else { return }
    stream.lastInbound = session?.now ?? 0
    guard let owner = stream.owner else {
      session?.discardInbound(of: stream)
      return
    }
    var bytes: [UInt8] = []
    swap(&bytes, &stream.inbound)
    if let call = owner as? ServerCall {
      call.receive(bytes)
    } else {
      (owner as? PageExchange)?.receive(bytes)
    }
    // Hand the buffer back, so that a pooled stream keeps its memory.
    bytes.removeAll(keepingCapacity: bytes.capacity <= 16_384)
    if stream.inbound.isEmpty { swap(&bytes, &stream.inbound) }
  }

  private func open(_ stream: HTTP2Stream) {
    if let lastHead, !stream.headersOverflowed, stream.headers.hasSameBytes(as: lastHead.fields) {
      return begin(lastHead, on: stream)
    }
    let fields = stream.headers
    let head = RequestHead(fields)
    let origin = loop.server.allowedOrigin(fields, head)
    let route = Router(server: loop.server).route(
      fields, head, overflowed: stream.headersOverflowed, over: .http2)
    switch route {
    case .call(let plan):
      let head = CallHead(plan: plan, fields: fields, corsOrigin: origin)
      lastHead = head.isWorthKeeping ? head : nil
      begin(head, on: stream)
    case .page(let handler, let path, let query):
      let exchange = PageExchange(
        handler: handler, fields: fields, peer: peer, loop: loop, origin: origin,
        carrier: .http2(self, stream))
      stream.owner = exchange
      exchange.begin(
        method: String(decoding: fields.value(head.method), as: UTF8.self), path: path,
        query: query)
    case .preflight(let origin):
      reply(PlainReply(status: 204, text: ""), to: stream, preflight: origin, origin: nil)
    case .plain(let plain):
      reply(plain, to: stream, preflight: nil, origin: origin)
    }
  }

  private func begin(_ head: CallHead, on stream: HTTP2Stream) {
    let call = ServerCall(
      head: head, peer: peer, loop: loop, now: session?.now ?? RPCClock.now(),
      carrier: .http2(self, stream))
    stream.owner = call
    call.begin()
  }

  private func reply(
    _ plain: PlainReply, to stream: HTTP2Stream, preflight: [UInt8]?, origin: [UInt8]?
  ) {
    let (fields, body) = PlainEncoder.encode(
      plain, preflight: preflight, origin: origin, server: loop.server)
    let method = stream.headers.first(":method") ?? []
    let sendsBody = !body.isEmpty && !ASCII.equals(method, "HEAD")
    session?.respond(stream, .built(fields), endStream: !sendsBody)
    if sendsBody {
      session?.write(body, to: stream)
      session?.finish(stream, trailers: nil)
    }
    if !stream.remoteClosed { session?.discardInbound(of: stream) }
  }

  // MARK: Life

  func check(now: UInt64) {
    guard let handler, let session else { return }
    if handler.isStuck(since: now &- life.writeStall) { return handler.close() }
    for stream in session.liveStreams { check(stream, now: now, session) }
    perform(
      life.check(
        now: now, lastRead: handler.lastRead, openStreams: session.liveStreams.count))
    loop.touch(self)
  }

  private func check(_ stream: HTTP2Stream, now: UInt64, _ session: HTTP2Session) {
    if stream.queuedBytes > 0, now &- stream.lastOutbound > life.writeStall {
      session.reset(stream, .cancel)
    }
    if let call = stream.owner as? ServerCall, call.waitsForBody, !stream.remoteClosed,
      now &- max(stream.lastInbound, call.startedAt) > life.bodyStall
    {
      call.fail(StandardErrors.bodyStalled)
    }
  }

  func drain() { perform(life.drain(now: RPCClock.now())) }

  func closeNow() { handler?.close() }

  private func perform(_ actions: [HTTP2ConnectionLife.Action]) {
    guard let session else { return }
    for action in actions {
      switch action {
      case .ping(let payload): session.ping(payload)
      case .shutdownNotice: session.submitShutdownNotice()
      case .goAway: session.submitGoAway()
      case .settingsTimeout: session.terminate(.settingsTimeout)
      case .close: return closeNow()
      }
      loop.touch(self)
    }
  }
}
