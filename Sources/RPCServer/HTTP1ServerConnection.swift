import HTTP2
import NIOCore
import NIOHTTP1
import RPCWire

/// One HTTP/1.1 connection of the server: Connect, gRPC-Web and pages, one request at a time.
///
/// It stands behind NIO's parser, whose pipelining assistance lets the next request through only
/// when the reply to the one before has left.
final class HTTP1ServerConnection: ChannelDuplexHandler, ServerConnection {
  typealias InboundIn = HTTPServerRequestPart
  typealias OutboundIn = Never
  typealias OutboundOut = HTTPServerResponsePart

  let loop: LoopContext
  private let peer: PeerInfo
  private(set) lazy var lane = HandlerLane(pool: loop.server.handlers)
  private var context: ChannelHandlerContext?
  private var exchange: HTTP1Exchange?
  var isTouched = false
  private var isDraining = false
  private var isClosing = false
  private var hasSeenRequest = false
  private var readIsWanted = false
  private var idleSince: UInt64
  private let expiresAt: UInt64?
  /// Body bytes that the channel has not written yet, and when it last wrote some. Its writability
  /// does not tell: one large answer keeps it unwritable however fast it is taken, and what is left
  /// of a small one keeps it writable though nobody takes it.
  private var unwritten = 0
  private var lastProgress: UInt64 = 0

  init(loop: LoopContext, peer: PeerInfo) {
    self.loop = loop
    self.peer = peer
    idleSince = RPCClock.now()
    expiresAt = HTTP2ConnectionLife.expiry(
      loop.server.configuration.timers.maximumConnectionAge, from: idleSince)
  }

  private var configuration: RPCServerConfiguration { loop.server.configuration }

  // MARK: Life of the channel

  func handlerAdded(context: ChannelHandlerContext) {
    self.context = context
    loop.add(self)
  }

  func handlerRemoved(context: ChannelHandlerContext) {
    lost()
    self.context = nil
  }

  func channelInactive(context: ChannelHandlerContext) {
    lost()
    context.fireChannelInactive()
  }

  private func lost() {
    isClosing = true
    endExchange()
    loop.remove(self)
  }

  private func endExchange() {
    guard let ended = exchange else { return }
    exchange = nil
    ended.connection = nil
    if let call = ended.owner as? ServerCall {
      call.closed()
    } else {
      (ended.owner as? PageExchange)?.closed()
    }
    ended.owner = nil
  }

  /// A malformed request. Before any valid one nothing is said, since the peer may not even speak
  /// HTTP; later a 400 is, unless the answer to the request in question is already on its way.
  func errorCaught(context: ChannelHandlerContext, error: any Error) {
    guard !isClosing else { return }
    guard let error = error as? HTTPParserError, exchange?.replyStarted != true else {
      return closeNow()
    }
    endExchange()
    if error == .headerOverflow {
      refuse(431, "the request headers are above the limit; send less")
    } else if hasSeenRequest {
      refuse(400, "the request is malformed")
    } else {
      closeNow()
    }
  }

  // MARK: Request

  func channelRead(context: ChannelHandlerContext, data: NIOAny) {
    guard !isClosing else { return discard(unwrapInboundIn(data)) }
    switch unwrapInboundIn(data) {
    case .head(let head): begin(head)
    case .body(let buffer): receive(buffer)
    case .end: receiveEnd()
    }
  }

  func channelReadComplete(context: ChannelHandlerContext) {
    flush()
    context.fireChannelReadComplete()
  }

  private func begin(_ head: HTTPRequestHead) {
    hasSeenRequest = true
    let hosts = head.headers["host"].count
    let lengths = head.headers["content-length"]
    if hosts > 1 || (hosts == 0 && head.version != .http1_0) {
      return refuse(400, "send exactly one host header")
    }
    if !lengths.isEmpty, head.headers.contains(name: "transfer-encoding") {
      return refuse(400, "send content-length or transfer-encoding, not both")
    }
    let exchange = HTTP1Exchange(connection: self, head: head, now: RPCClock.now())
    self.exchange = exchange
    let fields = Self.fields(of: head)
    let requestHead = RequestHead(fields)
    let origin = loop.server.allowedOrigin(fields, requestHead)
    let isTooLong =
      lengths.first.flatMap { Int($0) }.map { $0 > configuration.limits.messageBytes } ?? false
    let overflowed =
      fields.count > configuration.limits.headerFields
      || fields.listSize > configuration.limits.headerBytes
    let route = Router(server: loop.server).route(
      fields, requestHead, overflowed: overflowed, over: .http1)
    switch route {
    case .call(let plan):
      let call = ServerCall(
        head: CallHead(plan: plan, fields: fields, corsOrigin: origin), peer: peer, loop: loop,
        now: RPCClock.now(), carrier: .http1(exchange))
      exchange.owner = call
      // A body that is a stream of messages may be longer than one of them.
      if isTooLong, plan.codec.isBare, plan.refusal == nil {
        return call.fail(StandardErrors.messageTooLong)
      }
      if plan.refusal == nil { continueIfExpected(head) }
      call.begin()
    case .page(let handler, let path, let query):
      if isTooLong { return refuse(413, "the body is above the limit; send less") }
      let page = PageExchange(
        handler: handler, fields: fields, peer: peer, loop: loop, origin: origin,
        carrier: .http1(exchange))
      exchange.owner = page
      continueIfExpected(head)
      page.begin(method: head.method.rawValue, path: path, query: query)
    case .preflight(let asking):
      reply(PlainReply(status: 204, text: ""), preflight: asking, origin: nil)
    case .plain(let plain):
      reply(plain, preflight: nil, origin: origin)
    }
  }

  /// NIO does not answer `expect`, and curl would wait a second for it.
  private func continueIfExpected(_ head: HTTPRequestHead) {
    guard head.headers["expect"].contains(where: { $0.lowercased() == "100-continue" }),
      let context
    else { return }
    let reply = HTTPResponseHead(version: head.version, status: .continue)
    context.writeAndFlush(wrapOutboundOut(.head(reply)), promise: nil)
  }

  private static func fields(of head: HTTPRequestHead) -> HTTP2Fields {
    var fields = HTTP2Fields()
    fields.add(":method", head.method.rawValue)
    fields.add(":path", originForm(of: head.uri).utf8)
    for (name, value) in head.headers {
      fields.add(ASCII.lowercased(Array(name.utf8)), value.utf8)
    }
    return fields
  }

  /// What follows the authority in `http://authority/path`: proxies may send that form, and a
  /// server must take it (RFC 9112 section 3.2.2).
  private static func originForm(of uri: String) -> Substring {
    guard uri.utf8.first != UInt8(ascii: "/"), let scheme = uri.firstRange(of: "://"),
      ["http", "https"].contains(uri[..<scheme.lowerBound].lowercased())
    else { return uri[...] }
    let rest = uri[scheme.upperBound...]
    guard let end = rest.firstIndex(where: { $0 == "/" || $0 == "?" }), end != rest.startIndex
    else { return rest.isEmpty || rest.first == "/" ? uri[...] : "/" }
    return rest[end] == "/" ? rest[end...] : "/" + rest[end...]
  }

  private func receive(_ buffer: ByteBuffer) {
    guard let exchange, !exchange.replyEnded else { return }
    exchange.lastInbound = RPCClock.now()
    let bytes = Array(buffer.readableBytesView)
    exchange.received(bytes.count)
    if let call = exchange.owner as? ServerCall {
      call.receive(bytes)
    } else {
      (exchange.owner as? PageExchange)?.receive(bytes)
    }
  }

  private func receiveEnd() {
    guard let exchange else { return }
    exchange.requestEnded = true
    if exchange.replyEnded { return finishExchange(exchange) }
    if let call = exchange.owner as? ServerCall {
      call.receiveEnd()
    } else {
      (exchange.owner as? PageExchange)?.receiveEnd()
    }
  }

  // MARK: Reply

  private func reply(_ plain: PlainReply, preflight: [UInt8]?, origin: [UInt8]?) {
    guard let exchange else { return }
    let (fields, body) = PlainEncoder.encode(
      plain, preflight: preflight, origin: origin, server: loop.server)
    let sendsBody = !body.isEmpty && exchange.head.method != .HEAD
    exchange.sendHead(.built(fields), endStream: !sendsBody)
    if sendsBody {
      exchange.sendBody([], body)
      exchange.end()
    }
    loop.touch(self)
  }

  /// Answers outside of any exchange and closes.
  private func refuse(_ status: Int, _ text: String) {
    guard let context else { return }
    isClosing = true
    var head = HTTPResponseHead(version: .http1_1, status: .init(statusCode: status))
    let body = ByteBuffer(string: text + "\n")
    head.headers.add(name: "content-type", value: "text/plain; charset=utf-8")
    head.headers.add(name: "content-length", value: "\(body.readableBytes)")
    head.headers.add(name: "connection", value: "close")
    head.headers.add(name: "date", value: HTTPDate.now())
    context.write(wrapOutboundOut(.head(head)), promise: nil)
    context.write(wrapOutboundOut(.body(.byteBuffer(body))), promise: nil)
    closeAfter(context, .end(nil))
  }

  func writeHead(_ fields: HTTP2Fields, for exchange: HTTP1Exchange) {
    guard let context else { return }
    var status = 200
    var headers = HTTPHeaders()
    for index in 0..<fields.count {
      let name = fields.name(index)
      if name.first == UInt8(ascii: ":") {
        status = ASCII.decimal(fields.value(index), maximumDigits: 3).map(Int.init) ?? 500
        continue
      }
      headers.add(
        name: String(decoding: name, as: UTF8.self),
        value: String(decoding: fields.value(index), as: UTF8.self))
    }
    headers.add(name: "date", value: loop.date())
    if isDraining || !exchange.head.isKeepAlive || !exchange.requestEnded,
      !headers.contains(name: "connection")
    {
      headers.add(name: "connection", value: "close")
    }
    if headers["connection"].contains("close") { closesAfterReply = true }
    let head = HTTPResponseHead(
      version: exchange.head.version, status: .init(statusCode: status), headers: headers)
    context.write(wrapOutboundOut(.head(head)), promise: nil)
  }
  private var closesAfterReply = false

  /// Writes in pieces, so that progress can be seen; `written` is told the size of each.
  func writeBody(_ prefix: [UInt8], _ bytes: [UInt8], written: @escaping (Int) -> Void) {
    guard let context else { return }
    var buffer = context.channel.allocator.buffer(capacity: prefix.count + bytes.count)
    buffer.writeBytes(prefix)
    buffer.writeBytes(bytes)
    if unwritten == 0 { lastProgress = RPCClock.now() }
    unwritten += buffer.readableBytes
    while let piece = buffer.readSlice(length: min(Self.pieceSize, buffer.readableBytes)),
      piece.readableBytes > 0
    {
      let promise = context.eventLoop.makePromise(of: Void.self)
      promise.futureResult.assumeIsolated().whenComplete { [weak self] _ in
        self?.wrote(piece.readableBytes)
        written(piece.readableBytes)
      }
      context.write(wrapOutboundOut(.body(.byteBuffer(piece))), promise: promise)
    }
  }
  private static let pieceSize = 65_536

  private func wrote(_ count: Int) {
    unwritten -= count
    lastProgress = RPCClock.now()
    if exchange == nil { idleSince = lastProgress }
  }

  func writeEnd(of exchange: HTTP1Exchange) {
    guard let context else { return }
    if closesAfterReply || isDraining {
      isClosing = true
      closeAfter(context, .end(nil))
      return
    }
    context.write(wrapOutboundOut(.end(nil)), promise: nil)
    if exchange.requestEnded { finishExchange(exchange) }
  }

  private func finishExchange(_ ended: HTTP1Exchange) {
    guard exchange === ended else { return }
    idleSince = RPCClock.now()
    endExchange()
    loop.touch(self)
  }

  private func closeAfter(_ context: ChannelHandlerContext, _ part: HTTPServerResponsePart) {
    let isWhole = exchange?.requestEnded ?? true
    let promise = context.eventLoop.makePromise(of: Void.self)
    promise.futureResult.assumeIsolated().whenComplete { [weak self] _ in
      isWhole ? self?.closeNow() : self?.linger()
    }
    context.writeAndFlush(wrapOutboundOut(part), promise: promise)
  }

  /// Ends our side alone and reads on for a while: closing with bytes unread would make TCP reset
  /// the connection, and the peer could lose the answer that says why (RFC 9112 section 9.6).
  private func linger() {
    guard let context else { return }
    lingersUntil = RPCClock.now() &+ 2_000_000_000
    context.close(mode: .output).assumeIsolated().whenFailure { [weak self] _ in self?.closeNow() }
    readIfWanted()
  }
  private var lingersUntil: UInt64?
  private var discarded = 0

  private func discard(_ part: HTTPServerRequestPart) {
    guard lingersUntil != nil else { return }
    switch part {
    case .body(let buffer):
      discarded += buffer.readableBytes
      if discarded > Self.discardLimit { closeNow() }
    case .end: closeNow()
    case .head: break
    }
  }
  private static let discardLimit = 8 * 1024 * 1024

  func flush() { context?.flush() }

  // MARK: Reading

  func read(context: ChannelHandlerContext) {
    readIsWanted = true
    readIfWanted()
  }

  /// Holds reads back while the body's taker is slower than its sender.
  func readIfWanted() {
    guard readIsWanted, let context else { return }
    if !isClosing, let exchange,
      exchange.unconsumed > Int(configuration.limits.streamWindow)
    {
      return
    }
    readIsWanted = false
    context.read()
  }

  // MARK: Timers and end

  func check(now: UInt64) {
    let timers = configuration.timers
    if unwritten > 0, now > lastProgress,
      now &- lastProgress > ConnectionSetup.nanoseconds(timers.writeStall)
    {
      return closeNow()
    }
    if let lingersUntil, now > lingersUntil { return closeNow() }
    guard !isClosing, context != nil else { return }
    if let expiresAt, now > expiresAt, !isDraining { return drain() }
    guard let exchange else {
      guard unwritten == 0 else { return }
      let limit = hasSeenRequest ? timers.http1Idle : timers.firstBytes
      if now > idleSince, now &- idleSince > ConnectionSetup.nanoseconds(limit) { closeNow() }
      return
    }
    guard !exchange.requestEnded, now > exchange.lastInbound,
      now &- exchange.lastInbound > ConnectionSetup.nanoseconds(timers.requestBodyStall)
    else { return }
    if let call = exchange.owner as? ServerCall, call.waitsForBody {
      call.status = 408
      call.fail(StandardErrors.bodyStalled)
    } else if let page = exchange.owner as? PageExchange, page.waitsForBody {
      page.stalled()
    }
    loop.touch(self)
  }

  func drain() {
    isDraining = true
    if exchange == nil { closeNow() }
  }

  func closeNow() {
    isClosing = true
    context?.close(promise: nil)
  }
}
