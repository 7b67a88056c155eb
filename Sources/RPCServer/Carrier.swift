import HTTP2

/// What carries a call's bytes; on the loop only.
enum Carrier {
  case http2(HTTP2ServerConnection, HTTP2Stream)
  /// The stream is gone.
  case detached

  func sendHead(_ fields: HTTP2FieldList, endStream: Bool) {
    switch self {
    case .http2(let connection, let stream):
      connection.session?.respond(stream, fields, endStream: endStream)
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
    case .detached: break
    }
  }

  func end(trailers: HTTP2FieldList?) {
    switch self {
    case .http2(let connection, let stream):
      connection.session?.finish(stream, trailers: trailers)
      if !stream.remoteClosed { connection.session?.discardInbound(of: stream) }
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
    case .detached: break
    }
  }

  func consume(_ count: Int) {
    switch self {
    case .http2(let connection, let stream): connection.session?.consume(count, of: stream)
    case .detached: break
    }
  }

  var queuedBytes: Int {
    switch self {
    case .http2(_, let stream): stream.queuedBytes
    case .detached: 0
    }
  }

  func wantDrained() {
    switch self {
    case .http2(_, let stream): stream.wantsDrainedEvent = true
    case .detached: break
    }
  }

  /// Keeps the connection's sum of incomplete message bytes.
  func assembling(changedBy count: Int) {
    guard case .http2(let connection, _) = self, count != 0 else { return }
    connection.assemblingBytes += count
  }

  var mayRunAnotherHandler: Bool {
    switch self {
    case .http2(let connection, _): connection.mayRunAnotherHandler
    case .detached: false
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
    case .detached: break
    }
  }
}
