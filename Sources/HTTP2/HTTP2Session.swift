internal import CNghttp2

/// One end of an HTTP/2 connection without any I/O: bytes go in, events and bytes come out.
///
/// Confined to one thread. The owner calls `receive`, then `nextEvent` until `nil`, then
/// `drain`, which may make new events.
///
/// INVARIANT: nghttp2 calls back while it receives, sends and submits, so no callback acts: it
/// writes fields of this object or of a stream and the owner acts afterwards. `receive` and
/// `drain` are never called from inside a callback.
@safe public final class HTTP2Session {
  public enum Role: Sendable { case server, client }

  /// What the owner must do with the connection after `receive`.
  public enum Outcome: Equatable, Sendable {
    case proceed
    /// Send what is left (a GOAWAY), then close.
    case closeAfterOutput
    /// Close without a byte.
    case close
  }

  let role: Role
  let configuration: HTTP2Configuration
  var session: OpaquePointer?
  public internal(set) var liveStreams: [HTTP2Stream] = []
  var events = EventQueue()
  /// Streams that ended with the connection, kept for as long as the session is.
  var ended: [HTTP2Stream] = []
  /// A stream whose end was the last event: nobody looks at it after the next one is asked for.
  private var toldClosed: HTTP2Stream?
  var pool: [HTTP2Stream] = []
  /// The stream whose header list is arriving, so that it is looked up once a list and not once a
  /// field. Borrowed: it is in `liveStreams` until `streamClosed`, which clears this.
  var headerStream: Unmanaged<HTTP2Stream>?
  var repeated = RepeatedHeaders()
  /// The stream that was looked up last; borrowed as `headerStream` is.
  var recentID: Int32 = 0
  var recentStream: Unmanaged<HTTP2Stream>?
  var abuse: AbuseGuard?
  /// Monotonic nanoseconds of the last `receive` or `drain`.
  public internal(set) var now: UInt64 = 0
  /// A judgement made inside a callback; carried out when nghttp2 has returned.
  var verdict: AbuseGuard.Verdict = .allow
  /// What came of the last `receive`.
  private(set) var judgement: AbuseGuard.Verdict = .allow
  /// Milliseconds to stop reading, taken by the owner.
  public internal(set) var readDelayMilliseconds = 0
  /// Frames that began to arrive; taken by the owner. Counted of untrusted peers only.
  var framesBegun = 0
  /// Bytes that wait in all send queues.
  public internal(set) var queuedBytes = 0
  /// Raw frames to send before the close, when nghttp2 can no longer make them.
  var lastWords: [UInt8] = []
  var highestStreamID: Int32 = 0
  var skippedIDs: [ClosedRange<Int32>] = []
  var failed = false
  /// Bytes of the connection's DATA frames; grows whenever a write made progress.
  public internal(set) var dataBytesSent: UInt64 = 0

  /// - Parameter now: monotonic nanoseconds.
  public init(role: Role, configuration: HTTP2Configuration, now: UInt64) throws(HTTP2SetupError) {
    self.role = role
    self.configuration = configuration
    self.now = now
    abuse = configuration.abuse.map { AbuseGuard(limits: $0, now: now) }
    guard let callbacks = unsafe HTTP2Callbacks.shared, let option = unsafe HTTP2Options.shared
    else { throw HTTP2SetupError(description: "nghttp2 could not allocate its tables") }
    let user = unsafe Unmanaged.passUnretained(self).toOpaque()
    let result =
      switch role {
      case .server: unsafe nghttp2_session_server_new2(&session, callbacks, user, option)
      case .client: unsafe nghttp2_session_client_new2(&session, callbacks, user, option)
      }
    guard result == 0 else {
      throw HTTP2SetupError(description: "nghttp2 refused a session, code \(result)")
    }
    submitSettings()
  }

  deinit {
    // `session_del` does not call `on_stream_close`; `liveStreams` releases what is left.
    unsafe nghttp2_session_del(session)
  }

  /// The version of the library at run time, for the log.
  public static var libraryVersion: String {
    guard let info = unsafe nghttp2_version(0) else { return "unknown" }
    return unsafe String(cString: info.pointee.version_str)
  }

  private func submitSettings() {
    var entries = [
      nghttp2_settings_entry(
        settings_id: Int32(NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE.rawValue),
        value: UInt32(clamping: configuration.streamWindow)),
      nghttp2_settings_entry(
        settings_id: Int32(NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE.rawValue),
        value: UInt32(clamping: configuration.headerBytes)),
    ]
    switch role {
    case .server:
      entries.append(
        nghttp2_settings_entry(
          settings_id: Int32(NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS.rawValue),
          value: configuration.concurrentStreams))
    case .client:
      entries.append(
        nghttp2_settings_entry(
          settings_id: Int32(NGHTTP2_SETTINGS_ENABLE_PUSH.rawValue), value: 0))
    }
    unsafe nghttp2_submit_settings(
      session, UInt8(NGHTTP2_FLAG_NONE.rawValue), entries, entries.count)
    unsafe nghttp2_session_set_local_window_size(
      session, UInt8(NGHTTP2_FLAG_NONE.rawValue), 0, configuration.connectionWindow)
  }

  // MARK: Bytes in

  /// Parses what arrived.
  public func receive(_ bytes: UnsafeRawBufferPointer, now: UInt64) -> Outcome {
    self.now = now
    guard !failed else { return .close }
    guard let start = bytes.baseAddress, unsafe !bytes.isEmpty else { return .proceed }
    let result = unsafe nghttp2_session_mem_recv(
      session, start.assumingMemoryBound(to: UInt8.self), bytes.count)
    if abuse != nil, result >= 0 { judge(.bytesRead(bytes.count)) }
    judgement = verdict
    verdict = .allow
    switch judgement {
    case .close:
      failed = true
      return .close
    case .goAway(let code, let debug):
      return fail(code: code, debug: debug)
    case .delay(let milliseconds):
      readDelayMilliseconds = max(readDelayMilliseconds, milliseconds)
    case .allow:
      break
    }
    if result == Int(NGHTTP2_ERR_BAD_CLIENT_MAGIC.rawValue) {
      failed = true
      return .close
    }
    if result < 0 {
      // nghttp2 sends no GOAWAY of its own after a fatal error, and must not be used again.
      let code =
        result == Int(NGHTTP2_ERR_NOMEM.rawValue)
        ? HTTP2ErrorCode.internalError : HTTP2ErrorCode.protocolError
      return fail(code: code.rawValue, debug: "")
    }
    if unsafe nghttp2_session_get_outbound_queue_size(session) > 5_000 {
      return fail(code: HTTP2ErrorCode.enhanceYourCalm.rawValue, debug: "too_many_answers")
    }
    return .proceed
  }

  /// Ends the connection with a GOAWAY written by hand, since nghttp2 is out of service.
  private func fail(code: UInt32, debug: StaticString) -> Outcome {
    failed = true
    let last = unsafe UInt32(
      bitPattern: nghttp2_session_get_last_proc_stream_id(session))
    let text = debug.description.utf8
    let length = UInt32(8 + text.count)
    lastWords = [
      UInt8(truncatingIfNeeded: length >> 16), UInt8(truncatingIfNeeded: length >> 8),
      UInt8(truncatingIfNeeded: length), 7, 0, 0, 0, 0, 0,
    ]
    for word in [last & 0x7fff_ffff, code] {
      for shift in [24, 16, 8, 0] as [UInt32] {
        lastWords.append(UInt8(truncatingIfNeeded: word >> shift))
      }
    }
    lastWords.append(contentsOf: text)
    return .closeAfterOutput
  }

  /// The next thing that happened, in order; `nil` when all was told.
  public func nextEvent() -> HTTP2Event? {
    if let stream = toldClosed {
      toldClosed = nil
      recycle(stream)
    }
    guard let event = events.take() else { return nil }
    if case .closed(let stream, _) = event { toldClosed = stream }
    return event
  }

  /// Tells the next event instead of returning it, without a reference more to its stream. A stream
  /// told closed is reused at once.
  ///
  /// - Returns: false if there is none.
  func tellEvent(
    _ ofStream: (HTTP2StreamEvent, HTTP2Stream) -> Void, _ other: (HTTP2Event) -> Void
  ) -> Bool {
    guard let note = events.takeNote() else { return false }
    switch note {
    case .headers(let stream): unsafe stream._withUnsafeGuaranteedRef { ofStream(.headers, $0) }
    case .data(let stream): unsafe stream._withUnsafeGuaranteedRef { ofStream(.data, $0) }
    case .end(let stream): unsafe stream._withUnsafeGuaranteedRef { ofStream(.end, $0) }
    case .drained(let stream): unsafe stream._withUnsafeGuaranteedRef { ofStream(.drained, $0) }
    case .closed(let stream, let code):
      let stream = unsafe stream.takeRetainedValue()
      ofStream(.closed(HTTP2ErrorCode(rawValue: code)), stream)
      recycle(stream)
    case .other: other(events.takeOther())
    }
    return true
  }

  // MARK: Bytes out

  /// Hands every frame that may be sent now to `body`, until about `limit` bytes have left.
  ///
  /// - Returns: false when the limit stopped it and there may be more.
  @discardableResult
  public func drain(limit: Int, now: UInt64, into body: (UnsafeRawBufferPointer) -> Void) -> Bool {
    self.now = now
    if failed {
      unsafe lastWords.withUnsafeBytes { unsafe body($0) }
      lastWords = []
      return true
    }
    var sent = 0
    while sent < limit {
      var pointer: UnsafePointer<UInt8>?
      let count = unsafe nghttp2_session_mem_send(session, &pointer)
      guard count > 0, let start = unsafe pointer else {
        if count < 0 { failed = true }
        return true
      }
      unsafe body(UnsafeRawBufferPointer(start: start, count: count))
      sent += count
    }
    return false
  }

  /// True while the session has frames to send or expects some; when false, close.
  public var isAlive: Bool {
    guard !failed else { return false }
    return unsafe nghttp2_session_want_read(session) != 0
      || nghttp2_session_want_write(session) != 0
  }

  public var wantsWrite: Bool {
    failed ? !lastWords.isEmpty : unsafe nghttp2_session_want_write(session) != 0
  }

  // MARK: Shared by callbacks

  func judge(_ event: AbuseGuard.Event) {
    guard abuse != nil, let new = abuse?.record(event, at: now) else { return }
    switch (verdict, new) {
    case (_, .allow), (.goAway, _), (.close, _): break
    case (.delay(let old), .delay(let more)): verdict = .delay(milliseconds: max(old, more))
    default: verdict = new
    }
  }

  /// True when a judgement ends the connection, so that parsing can stop at once.
  var isCondemned: Bool {
    switch verdict {
    case .goAway, .close: true
    case .allow, .delay: false
    }
  }

  func makeStream(id: Int32) -> HTTP2Stream {
    let stream = pool.popLast() ?? HTTP2Stream()
    stream.isClosed = false
    stream.id = id
    stream.liveIndex = liveStreams.count
    liveStreams.append(stream)
    return stream
  }

  func forget(_ stream: HTTP2Stream) {
    stream.isClosed = true
    queuedBytes -= stream.queuedBytes
    stream.outbound.empty()
    let last = liveStreams.removeLast()
    if last !== stream {
      liveStreams[stream.liveIndex] = last
      last.liveIndex = stream.liveIndex
    }
  }

  private func recycle(_ stream: HTTP2Stream) {
    stream.reset()
    stream.isClosed = true
    if role == .server, pool.count < 256 { pool.append(stream) }
  }
}
