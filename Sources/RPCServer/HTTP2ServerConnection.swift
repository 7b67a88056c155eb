import HTTP2
import NIOCore
import RPCWire

/// One HTTP/2 connection of the server: makes calls of streams and passes events on.
final class HTTP2ServerConnection: ServerConnection, HTTP2ConnectionDelegate {
  let loop: LoopContext
  let peer: PeerInfo
  private(set) var handler: HTTP2ChannelHandler?
  var isTouched = false
  /// Handlers that run for this connection, also for streams already reset.
  var runningHandlers = 0
  /// Bytes of incomplete messages, which were given back to flow control.
  var assemblingBytes = 0

  init(loop: LoopContext, peer: PeerInfo) {
    self.loop = loop
    self.peer = peer
  }

  var session: HTTP2Session? { handler?.session }

  var mayRunAnotherHandler: Bool {
    runningHandlers < loop.server.configuration.limits.runningHandlersPerConnection
  }

  func flush() { handler?.flush() }

  // MARK: Events

  func http2Started(_ connection: HTTP2ChannelHandler) {
    handler = connection
    loop.add(self)
  }

  func http2Ended(_ connection: HTTP2ChannelHandler) {
    handler = nil
    loop.remove(self)
  }

  func http2Event(_ event: HTTP2Event, on connection: HTTP2ChannelHandler) {
    switch event {
    case .headers(let stream):
      open(stream)
    case .data(let stream):
      guard let call = stream.owner as? ServerCall else { return discard(stream) }
      var bytes: [UInt8] = []
      swap(&bytes, &stream.inbound)
      guard !bytes.isEmpty else { return }
      call.receive(bytes)
      // Hand the buffer back, so that a pooled stream keeps its memory.
      bytes.removeAll(keepingCapacity: bytes.capacity <= 16_384)
      if stream.inbound.isEmpty { swap(&bytes, &stream.inbound) }
    case .end(let stream):
      (stream.owner as? ServerCall)?.receiveEnd()
    case .drained(let stream):
      (stream.owner as? ServerCall)?.released()
    case .closed(let stream, _):
      (stream.owner as? ServerCall)?.closed()
      stream.owner = nil
    case .pingAcknowledged, .settingsAcknowledged, .goAway:
      break
    }
  }

  private func discard(_ stream: HTTP2Stream) {
    session?.discardInbound(of: stream)
  }

  private func open(_ stream: HTTP2Stream) {
    let head = RequestHead(stream.headers)
    let fields = stream.headers
    guard head.path >= 0, head.contentType >= 0 else { return }
    let path = fields.value(head.path)
    guard let method = loop.server.methods[path] else {
      return
    }
    let now = RPCClock.now()
    var deadline = UInt64.max
    if head.grpcTimeout >= 0, let t = CallTimeout.parseGRPC(fields.value(head.grpcTimeout)) {
      deadline = now + t
    }
    let call = ServerCall(
      method: method, codec: .grpc, fields: fields, peer: peer, loop: loop, deadline: deadline,
      startedAt: now, contentType: fields.value(head.contentType), carrier: .http2(self, stream))
    stream.owner = call
    if deadline != .max { loop.addDeadline(of: call) }
    if method.info.shape.streamsRequests { call.start() }
  }

  // MARK: Life

  func check(now: UInt64) {}

  func drain() { session?.submitGoAway() }

  func closeNow() { handler?.close() }
}
