internal import CNghttp2

/// What the owner asks of a session. All of it is benign on a stream that is already closed.
extension HTTP2Session {
  private static var noFlags: UInt8 { UInt8(NGHTTP2_FLAG_NONE.rawValue) }
  private static var endStream: UInt8 { UInt8(NGHTTP2_FLAG_END_STREAM.rawValue) }

  /// Opens a stream as a client; `nil` when the connection takes no more.
  ///
  /// Unless `endStream`, queue the body with `write` and end it with `finish`.
  public func request(_ fields: HTTP2FieldList, endStream: Bool) -> HTTP2Stream? {
    guard !failed else { return nil }
    let stream = makeStream(id: 0)
    stream.headSubmitted = true
    stream.finished = endStream
    let pointer = unsafe Unmanaged.passUnretained(stream).toOpaque()
    let id = unsafe fields.withTable { table, count in
      if endStream {
        return unsafe nghttp2_submit_request(session, nil, table, count, nil, pointer)
      }
      var provider = unsafe bodyProvider(of: stream)
      return unsafe nghttp2_submit_request(session, nil, table, count, &provider, pointer)
    }
    guard id > 0 else {
      forget(stream)
      return nil
    }
    stream.id = id
    return stream
  }

  /// Sends response headers; with `endStream` they are all there is (trailers-only).
  public func respond(_ stream: HTTP2Stream, _ fields: HTTP2FieldList, endStream: Bool) {
    guard !failed, !stream.isClosed, !stream.headSubmitted else { return }
    stream.headSubmitted = true
    stream.finished = endStream
    unsafe fields.withTable { table, count in
      if endStream {
        unsafe nghttp2_submit_response(session, stream.id, table, count, nil)
      } else {
        var provider = unsafe bodyProvider(of: stream)
        unsafe nghttp2_submit_response(session, stream.id, table, count, &provider)
      }
    }
  }

  /// Queues DATA. The caller keeps the queue bounded: `HTTP2Stream.queuedBytes`.
  public func write(_ bytes: [UInt8], to stream: HTTP2Stream) {
    guard !failed, !stream.isClosed, !stream.finished else { return }
    if stream.queuedBytes == 0 { stream.lastOutbound = now }
    stream.outbound.append(bytes)
    queuedBytes += bytes.count
  }

  /// Queues one length-prefixed message as DATA: a flag byte, four bytes of length, the message.
  public func write(flags: UInt8, message: [UInt8], to stream: HTTP2Stream) {
    guard !failed, !stream.isClosed, !stream.finished else { return }
    if stream.queuedBytes == 0 { stream.lastOutbound = now }
    stream.outbound.append(flags: flags, message: message)
    queuedBytes += 5 + message.count
  }

  /// Answers with a whole reply: head, one length-prefixed message, trailers.
  public func answer(
    _ stream: HTTP2Stream, head: HTTP2PreparedFields, message: [UInt8],
    trailers: HTTP2PreparedFields
  ) {
    guard !failed, !stream.isClosed, !stream.headSubmitted else { return }
    stream.headSubmitted = true
    write(flags: 0, message: message, to: stream)
    stream.finished = true
    stream.outboundEnded = true
    stream.trailerList = .prepared(trailers)
    var provider = unsafe bodyProvider(of: stream)
    unsafe nghttp2_submit_response(session, stream.id, head.table, head.count, &provider)
  }

  /// Lets queued DATA go; call once after one or several `write`s.
  public func resume(_ stream: HTTP2Stream) {
    // A provider that was not asked yet, as of every unary answer, needs no waking.
    guard !failed, !stream.isClosed, stream.isDeferred else { return }
    stream.isDeferred = false
    unsafe nghttp2_session_resume_data(session, stream.id)
  }

  /// Ends our side: with trailers, or with END_STREAM on the last DATA.
  public func finish(_ stream: HTTP2Stream, trailers: HTTP2FieldList?) {
    guard !failed, !stream.isClosed, stream.headSubmitted, !stream.finished else { return }
    stream.finished = true
    if let trailers, stream.queuedBytes == 0 {
      // Works even at window 0, where a provider would not be asked until a WINDOW_UPDATE.
      submitTrailers(trailers, of: stream)
      return
    }
    stream.trailerList = trailers
    stream.outboundEnded = true
    resume(stream)
  }

  /// Resets a stream by our own choice. Its `closed` event comes when the frame has left.
  public func reset(_ stream: HTTP2Stream, _ code: HTTP2ErrorCode) {
    guard !failed, !stream.isClosed else { return }
    stream.choseReset = true
    stream.finished = true
    discardInbound(of: stream)
    unsafe nghttp2_submit_rst_stream(session, Self.noFlags, stream.id, code.rawValue)
  }

  /// Gives `count` received bytes back to flow control: they no longer occupy memory.
  public func consume(_ count: Int, of stream: HTTP2Stream) {
    let amount = min(count, stream.unconsumed)
    guard !failed, !stream.isClosed, amount > 0 else { return }
    stream.unconsumed -= amount
    unsafe nghttp2_session_consume(session, stream.id, amount)
  }

  /// Drops what arrived and whatever still arrives, returning it to flow control at once.
  public func discardInbound(of stream: HTTP2Stream) {
    stream.discardsInbound = true
    stream.inbound = []
    consume(stream.unconsumed, of: stream)
  }

  public func ping(_ payload: UInt64) {
    guard !failed else { return }
    let bytes = (0..<8).map { UInt8(truncatingIfNeeded: payload >> UInt64(56 - 8 * $0)) }
    unsafe nghttp2_submit_ping(session, Self.noFlags, bytes)
  }

  /// First half of a graceful end: GOAWAY with the highest id, streams still accepted.
  public func submitShutdownNotice() {
    guard !failed else { return }
    unsafe nghttp2_submit_shutdown_notice(session)
  }

  /// Second half: GOAWAY naming the last stream accepted; open streams go on to their end.
  public func submitGoAway(_ code: HTTP2ErrorCode = .noError, debug: StaticString = "") {
    guard !failed else { return }
    let last = unsafe nghttp2_session_get_last_proc_stream_id(session)
    _ = debug.withUTF8Buffer { text in
      unsafe nghttp2_submit_goaway(
        session, Self.noFlags, last, code.rawValue, text.baseAddress, text.count)
    }
  }

  /// GOAWAY and no further reading or writing but this frame.
  public func terminate(_ code: HTTP2ErrorCode) {
    guard !failed else { return }
    unsafe nghttp2_session_terminate_session(session, code.rawValue)
  }

  fileprivate func submitTrailers(_ trailers: HTTP2FieldList, of stream: HTTP2Stream) {
    _ = unsafe trailers.withTable { table, count in
      unsafe nghttp2_submit_trailer(session, stream.id, table, count)
    }
  }

  private func bodyProvider(of stream: HTTP2Stream) -> nghttp2_data_provider {
    var provider = unsafe nghttp2_data_provider()
    unsafe provider.source.ptr = unsafe Unmanaged.passUnretained(stream).toOpaque()
    unsafe provider.read_callback = { _, _, buffer, length, flags, source, user in
      guard let buffer = unsafe buffer, let flags = unsafe flags, let user = unsafe user,
        let pointer = unsafe source?.pointee.ptr
      else { return Int(NGHTTP2_ERR_CALLBACK_FAILURE.rawValue) }
      return unsafe Unmanaged<HTTP2Session>.fromOpaque(user)._withUnsafeGuaranteedRef { session in
        unsafe Unmanaged<HTTP2Stream>.fromOpaque(pointer)._withUnsafeGuaranteedRef { stream in
          unsafe session.provideBody(of: stream, into: buffer, length, flags)
        }
      }
    }
    return unsafe provider
  }

  /// Copies queued bytes into a DATA frame.
  ///
  /// The end is reported together with the last bytes: if they just use up the peer's window, a
  /// separate report would wait for a WINDOW_UPDATE.
  private func provideBody(
    of stream: HTTP2Stream, into buffer: UnsafeMutablePointer<UInt8>, _ length: Int,
    _ flags: UnsafeMutablePointer<UInt32>
  ) -> Int {
    let waiting = stream.queuedBytes
    guard waiting > 0 || stream.outboundEnded else {
      stream.isDeferred = true
      return Int(NGHTTP2_ERR_DEFERRED.rawValue)
    }
    let count = unsafe stream.outbound.move(to: buffer, limit: length)
    if count > 0 {
      stream.lastOutbound = now
      queuedBytes -= count
    }
    let half = configuration.queuedBytesPerStream / 2
    if stream.wantsDrainedEvent, stream.queuedBytes < half {
      stream.wantsDrainedEvent = false
      events.drained(stream)
    }
    if stream.outboundEnded, stream.queuedBytes == 0 {
      unsafe flags.pointee |= UInt32(NGHTTP2_DATA_FLAG_EOF.rawValue)
      if let trailers = stream.trailerList {
        unsafe flags.pointee |= UInt32(NGHTTP2_DATA_FLAG_NO_END_STREAM.rawValue)
        stream.trailerList = nil
        submitTrailers(trailers, of: stream)
      }
    }
    return count
  }
}
