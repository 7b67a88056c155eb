import HTTP2
import RPCWire
import Synchronization

/// What carries a call's bytes; on the loop only.
enum Carrier {
  case http2(HTTP2ServerConnection, HTTP2Stream)
  case http1(HTTP1Exchange)
  /// The stream is gone.
  case detached

  func sendHead(_ fields: HTTP2FieldList, endStream: Bool) {
    switch self {
    case .http2(let connection, let stream):
      connection.session?.respond(stream, fields, endStream: endStream)
    case .http1(let exchange): exchange.sendHead(fields, endStream: endStream)
    case .detached: break
    }
  }

  func sendBody(_ prefix: [UInt8], _ bytes: [UInt8]) {
    switch self {
    case .http2(let connection, let stream):
      guard let session = connection.session else { return }
      if !prefix.isEmpty { session.write(prefix, to: stream) }
      if !bytes.isEmpty { session.write(bytes, to: stream) }
      session.resume(stream)
    case .http1(let exchange): exchange.sendBody(prefix, bytes)
    case .detached: break
    }
  }

  /// A length-prefixed message.
  func sendMessage(flags: UInt8, _ bytes: [UInt8]) {
    switch self {
    case .http2(let connection, let stream):
      guard let session = connection.session else { return }
      session.write(flags: flags, message: bytes, to: stream)
      session.resume(stream)
    case .http1(let exchange):
      exchange.sendBody(MessageFraming.prefix(flags: flags, length: bytes.count), bytes)
    case .detached: break
    }
  }

  /// A whole reply at once: head, message and good status.
  ///
  /// - Returns: false where this is no HTTP/2 stream or too much waits; nothing was sent then.
  func answer(head: HTTP2PreparedFields, message: [UInt8]) -> Bool {
    guard case .http2(let connection, let stream) = self, let session = connection.session,
      connection.mayQueue(message.count, session)
    else { return false }
    session.answer(stream, head: head, message: message, trailers: ReplyTables.okTrailers)
    if !stream.remoteClosed { session.discardInbound(of: stream) }
    connection.loop.touch(connection)
    return true
  }

  func end(trailers: HTTP2FieldList?) {
    switch self {
    case .http2(let connection, let stream):
      connection.session?.finish(stream, trailers: trailers)
      if !stream.remoteClosed { connection.session?.discardInbound(of: stream) }
    case .http1(let exchange): exchange.end()
    case .detached: break
    }
  }

  /// After a head that was also the end: what still arrives is not wanted.
  func ended() {
    guard case .http2(let connection, let stream) = self, !stream.remoteClosed else { return }
    connection.session?.discardInbound(of: stream)
  }

  func reset(_ code: HTTP2ErrorCode) {
    switch self {
    case .http2(let connection, let stream): connection.session?.reset(stream, code)
    case .http1(let exchange): exchange.abort()
    case .detached: break
    }
  }

  func consume(_ count: Int) {
    switch self {
    case .http2(let connection, let stream): connection.session?.consume(count, of: stream)
    case .http1(let exchange): exchange.consume(count)
    case .detached: break
    }
  }

  var queuedBytes: Int {
    switch self {
    case .http2(_, let stream): stream.queuedBytes
    case .http1(let exchange): exchange.queuedBytes
    case .detached: 0
    }
  }

  func wantDrained() {
    switch self {
    case .http2(_, let stream): stream.wantsDrainedEvent = true
    case .http1(let exchange): exchange.wantsDrained = true
    case .detached: break
    }
  }

  /// Keeps the connection's sum of incomplete message bytes.
  ///
  /// - Returns: false when the sum is above its limit.
  @discardableResult
  func assembling(changedBy count: Int) -> Bool {
    guard case .http2(let connection, _) = self, count != 0 else { return true }
    connection.assemblingBytes += count
    let limits = connection.loop.server.configuration.limits
    return count < 0 || connection.assemblingBytes <= limits.assemblingBytesPerConnection
  }

  /// Whether so much more may wait for the peer; HTTP/1.1 has one answer at a time.
  func mayQueue(_ count: Int) -> Bool {
    guard case .http2(let connection, _) = self, let session = connection.session else {
      return true
    }
    return connection.mayQueue(count, session)
  }

  /// Where the handlers of its connection run.
  var lane: HandlerLane? {
    switch self {
    case .http2(let connection, _): connection.lane
    case .http1(let exchange): exchange.connection?.lane
    case .detached: nil
    }
  }

  var mayRunAnotherHandler: Bool {
    switch self {
    case .http2(let connection, _):
      connection.noteProgress()
      return connection.mayRunAnotherHandler && mayQueue(0)
    case .http1: return true
    case .detached: return false
    }
  }

  func handlerStarted() -> HTTP2ServerConnection? {
    guard case .http2(let connection, _) = self else { return nil }
    connection.runningHandlers += 1
    return connection
  }

  func touch() {
    switch self {
    case .http2(let connection, _): connection.loop.touch(connection)
    case .http1(let exchange): exchange.touch()
    case .detached: break
    }
  }
}
