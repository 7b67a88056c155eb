internal import CNghttp2

/// The C side of a session: each callback notes what happened and returns.
///
/// `_withUnsafeGuaranteedRef` borrows the object behind the pointer without a retain; the session
/// outlives every call, and a stream outlives its place in `liveStreams`.
enum HTTP2Callbacks {
  static let stop = Int32(NGHTTP2_ERR_CALLBACK_FAILURE.rawValue)
  static let endStream = UInt8(NGHTTP2_FLAG_END_STREAM.rawValue)
  static let headersType = UInt8(NGHTTP2_HEADERS.rawValue)
  static let dataType = UInt8(NGHTTP2_DATA.rawValue)

  // Made once, never freed, read-only afterwards.
  nonisolated(unsafe) static let shared: OpaquePointer? = {
    var made: OpaquePointer?
    guard unsafe nghttp2_session_callbacks_new(&made) == 0 else { return nil }
    let table = unsafe made
    unsafe nghttp2_session_callbacks_set_on_begin_frame_callback(table) { _, header, user in
      unsafe HTTP2Callbacks.with(user) { unsafe $0.frameBegins(header) }
    }
    unsafe nghttp2_session_callbacks_set_on_begin_headers_callback(table) { _, frame, user in
      unsafe HTTP2Callbacks.with(user) { unsafe $0.headersBegin(frame) }
    }
    unsafe nghttp2_session_callbacks_set_on_header_callback2(table) {
      _, frame, name, value, _, user in
      unsafe HTTP2Callbacks.with(user) { unsafe $0.headerArrived(frame, name, value) }
    }
    unsafe nghttp2_session_callbacks_set_on_data_chunk_recv_callback(table) {
      _, _, id, bytes, count, user in
      unsafe HTTP2Callbacks.with(user) { unsafe $0.dataArrived(id, bytes, count) }
    }
    unsafe nghttp2_session_callbacks_set_on_frame_recv_callback(table) { _, frame, user in
      unsafe HTTP2Callbacks.with(user) { unsafe $0.frameArrived(frame) }
    }
    unsafe nghttp2_session_callbacks_set_on_frame_send_callback(table) { _, frame, user in
      unsafe HTTP2Callbacks.with(user) { unsafe $0.frameLeft(frame) }
    }
    unsafe nghttp2_session_callbacks_set_on_invalid_frame_recv_callback(table) { _, _, _, user in
      unsafe HTTP2Callbacks.with(user) {
        $0.judge(.malformed)
        return $0.isCondemned ? HTTP2Callbacks.stop : 0
      }
    }
    unsafe nghttp2_session_callbacks_set_on_stream_close_callback(table) { _, id, code, user in
      unsafe HTTP2Callbacks.with(user) { $0.streamClosed(id, code) }
    }
    return unsafe table
  }()

  private static func with(
    _ user: UnsafeMutableRawPointer?, _ body: (HTTP2Session) -> Int32
  ) -> Int32 {
    guard let user = unsafe user else { return stop }
    return unsafe Unmanaged<HTTP2Session>.fromOpaque(user)._withUnsafeGuaranteedRef(body)
  }
}

extension HTTP2Session {
  /// The object of a stream that nghttp2 knows, borrowed; `nil` for one it does not.
  @inline(__always)
  func stream(_ id: Int32) -> Unmanaged<HTTP2Stream>? {
    // The frames of a call mostly come one after the other.
    if id == recentID, let recent = unsafe recentStream { return unsafe recent }
    guard let data = unsafe nghttp2_session_get_stream_user_data(session, id) else { return nil }
    let found = unsafe Unmanaged<HTTP2Stream>.fromOpaque(data)
    recentID = id
    unsafe recentStream = unsafe found
    return unsafe found
  }

  fileprivate func frameBegins(_ header: UnsafePointer<nghttp2_frame_hd>?) -> Int32 {
    guard abuse != nil, let header = unsafe header?.pointee else { return 0 }
    framesBegun &+= 1
    switch UInt32(header.type) {
    case NGHTTP2_HEADERS.rawValue:
      noteStreamID(header.stream_id)
    case NGHTTP2_DATA.rawValue:
      if header.length > 0 {
        abuse?.noteUseful()
      } else if header.flags & HTTP2Callbacks.endStream == 0 {
        judge(.emptyData)
      }
    case NGHTTP2_PRIORITY.rawValue:
      judge(.priority)
    case NGHTTP2_WINDOW_UPDATE.rawValue:
      judge(.windowUpdate)
    case NGHTTP2_SETTINGS.rawValue:
      if header.flags & UInt8(NGHTTP2_FLAG_ACK.rawValue) == 0 { judge(.settings) }
    case NGHTTP2_PING.rawValue:
      if header.flags & UInt8(NGHTTP2_FLAG_ACK.rawValue) == 0 {
        judge(.ping(streams: liveStreams.count))
      }
    default:
      break
    }
    return isCondemned ? HTTP2Callbacks.stop : 0
  }

  /// nghttp2 ignores HEADERS on an id that was jumped over; RFC 9113 §5.1.1 calls it an error.
  private func noteStreamID(_ id: Int32) {
    guard id > 0, id & 1 == 1 else { return }
    if id > highestStreamID {
      let firstFree = highestStreamID == 0 ? 1 : highestStreamID + 2
      if id > firstFree {
        judge(.skippedID)
        if skippedIDs.count < 64 { skippedIDs.append(firstFree...(id - 2)) }
      }
      highestStreamID = id
    } else if !skippedIDs.isEmpty, skippedIDs.contains(where: { $0.contains(id) }) {
      verdict = .goAway(code: HTTP2ErrorCode.protocolError.rawValue, debug: "")
    }
  }

  fileprivate func headersBegin(_ frame: UnsafePointer<nghttp2_frame>?) -> Int32 {
    guard let frame = unsafe frame, unsafe frame.pointee.hd.type == HTTP2Callbacks.headersType
    else { return 0 }
    let id = unsafe frame.pointee.hd.stream_id
    if unsafe frame.pointee.headers.cat == NGHTTP2_HCAT_REQUEST {
      abuse?.noteStreamOpened()
      let stream = makeStream(id: id)
      repeated.begin()
      let pointer = unsafe Unmanaged.passUnretained(stream).toOpaque()
      unsafe nghttp2_session_set_stream_user_data(session, id, pointer)
      unsafe headerStream = Unmanaged.passUnretained(stream)
    } else if let found = unsafe stream(id) {
      unsafe headerStream = unsafe found
      let stream = unsafe found.takeUnretainedValue()
      // On a client the first list is the response; a list that also ends the stream with nothing
      // before it is headers and trailers in one.
      stream.receivingTrailers = role == .server || stream.headers.count > 0
      if stream.receivingTrailers { stream.trailers = HTTP2Fields() }
    }
    return 0
  }

  fileprivate func headerArrived(
    _ frame: UnsafePointer<nghttp2_frame>?, _ name: OpaquePointer?, _ value: OpaquePointer?
  ) -> Int32 {
    // A list of a stream that nghttp2 forgot has no begin, or began for another one.
    guard let frame = unsafe frame, let begun = unsafe headerStream else { return 0 }
    return unsafe begun._withUnsafeGuaranteedRef { stream in
      guard unsafe stream.id == frame.pointee.hd.stream_id else { return 0 }
      return unsafe headerArrived(of: stream, name, value)
    }
  }

  private func headerArrived(
    of stream: HTTP2Stream, _ name: OpaquePointer?, _ value: OpaquePointer?
  ) -> Int32 {
    if !stream.receivingTrailers, unsafe repeated.takes(name, value) { return 0 }
    let nameBytes = unsafe nghttp2_rcbuf_get_buf(name)
    let valueBytes = unsafe nghttp2_rcbuf_get_buf(value)
    if stream.headersOverflowed {
      return countOverflow(unsafe nameBytes.len &+ valueBytes.len &+ 32, of: stream)
    }
    if stream.receivingTrailers {
      if unsafe !Self.store(nameBytes, valueBytes, in: &stream.trailers, configuration) {
        overflow(stream)
      }
    } else {
      if let part = repeated.part() { stream.headers = part }
      if unsafe !Self.store(nameBytes, valueBytes, in: &stream.headers, configuration) {
        overflow(stream)
      }
    }
    return isCondemned ? HTTP2Callbacks.stop : 0
  }

  /// A list somewhat above the limit is refused in its protocol. One far above it is an attack on
  /// the decoder (a few bytes of HPACK can name megabytes) and ends the connection there.
  private func countOverflow(_ size: Int, of stream: HTTP2Stream) -> Int32 {
    stream.overflowBytes &+= size
    guard abuse != nil, stream.overflowBytes > 4 * configuration.headerBytes else { return 0 }
    verdict = .goAway(
      code: HTTP2ErrorCode.enhanceYourCalm.rawValue, debug: "header_list_too_large")
    return HTTP2Callbacks.stop
  }

  private func overflow(_ stream: HTTP2Stream) {
    stream.headersOverflowed = true
    judge(.headerOverflow)
  }

  /// - Returns: false when the field would pass a limit; it is not stored then.
  @inline(__always)
  private static func store(
    _ name: nghttp2_vec, _ value: nghttp2_vec, in list: inout HTTP2Fields,
    _ configuration: HTTP2Configuration
  ) -> Bool {
    let size = unsafe name.len &+ value.len &+ 32
    guard list.listSize &+ size <= configuration.headerBytes,
      list.count < configuration.headerFields
    else { return false }
    unsafe list.add(
      UnsafeBufferPointer(start: name.base, count: name.len),
      UnsafeBufferPointer(start: value.base, count: value.len))
    return true
  }

  fileprivate func dataArrived(
    _ id: Int32, _ bytes: UnsafePointer<UInt8>?, _ count: Int
  ) -> Int32 {
    guard count > 0 else { return 0 }
    let isTaken = unsafe stream(id)?._withUnsafeGuaranteedRef { stream in
      guard !stream.discardsInbound else { return false }
      stream.unconsumed += count
      unsafe stream.inbound.append(contentsOf: UnsafeBufferPointer(start: bytes, count: count))
      events.data(stream)
      return true
    }
    if isTaken != true { unsafe nghttp2_session_consume(session, id, count) }
    return 0
  }

  fileprivate func frameArrived(_ frame: UnsafePointer<nghttp2_frame>?) -> Int32 {
    guard let frame = unsafe frame else { return 0 }
    let header = unsafe frame.pointee.hd
    switch UInt32(header.type) {
    case NGHTTP2_HEADERS.rawValue:
      abuse?.noteUseful()
      unsafe headerStream = nil
      unsafe stream(header.stream_id)?._withUnsafeGuaranteedRef { stream in
        if !stream.receivingTrailers {
          shareHeaders(of: stream)
          events.headers(stream)
        }
        if header.flags & HTTP2Callbacks.endStream != 0 { remoteEnded(stream) }
      }
    case NGHTTP2_DATA.rawValue:
      guard header.flags & HTTP2Callbacks.endStream != 0 else { return 0 }
      unsafe stream(header.stream_id)?._withUnsafeGuaranteedRef { remoteEnded($0) }
    case NGHTTP2_RST_STREAM.rawValue:
      if role == .server { judge(.resetByPeer) }
    case NGHTTP2_SETTINGS.rawValue:
      if header.flags & UInt8(NGHTTP2_FLAG_ACK.rawValue) != 0 {
        events.other(.settingsAcknowledged)
      }
    case NGHTTP2_PING.rawValue:
      if header.flags & UInt8(NGHTTP2_FLAG_ACK.rawValue) != 0 {
        events.other(.pingAcknowledged(unsafe payload(of: frame.pointee.ping)))
      }
    case NGHTTP2_GOAWAY.rawValue:
      unsafe goAwayArrived(frame.pointee.goaway)
    default:
      break
    }
    return isCondemned ? HTTP2Callbacks.stop : 0
  }

  /// The list of a stream has arrived.
  private func shareHeaders(of stream: HTTP2Stream) {
    if let same = repeated.whole() {
      stream.headers = same
    } else {
      if let part = repeated.part() { stream.headers = part }
      guard role == .server, !stream.headersOverflowed else { return }
      repeated.remember(stream.headers)
    }
    stream.sharesHeaders = true
  }

  private func remoteEnded(_ stream: HTTP2Stream) {
    stream.remoteClosed = true
    events.end(stream)
  }

  private func payload(of ping: nghttp2_ping) -> UInt64 {
    let bytes = ping.opaque_data
    return [bytes.0, bytes.1, bytes.2, bytes.3, bytes.4, bytes.5, bytes.6, bytes.7]
      .reduce(0) { $0 << 8 | UInt64($1) }
  }

  private func goAwayArrived(_ frame: nghttp2_goaway) {
    let text = unsafe UnsafeBufferPointer(
      start: frame.opaque_data, count: min(frame.opaque_data_len, 256))
    events.other(
      .goAway(
        HTTP2ErrorCode(rawValue: unsafe frame.error_code),
        lastStream: unsafe frame.last_stream_id,
        debug: unsafe String(decoding: text, as: UTF8.self)))
  }

  fileprivate func frameLeft(_ frame: UnsafePointer<nghttp2_frame>?) -> Int32 {
    guard let frame = unsafe frame else { return 0 }
    let header = unsafe frame.pointee.hd
    switch UInt32(header.type) {
    case NGHTTP2_HEADERS.rawValue, NGHTTP2_DATA.rawValue:
      if header.type == HTTP2Callbacks.dataType { dataBytesSent &+= UInt64(header.length) }
      abuse?.noteDataSent()
      guard role == .server, header.flags & HTTP2Callbacks.endStream != 0 else { return 0 }
      unsafe stream(header.stream_id)?._withUnsafeGuaranteedRef { stream in
        if stream.remoteClosed {
          abuse?.noteStreamEndedWell()
        } else {
          // The reply is complete and the rest of the request is not wanted. Submitted here and not
          // together with the reply, because a reset submitted earlier would discard the reply.
          stream.choseReset = true
          unsafe nghttp2_submit_rst_stream(
            session, UInt8(NGHTTP2_FLAG_NONE.rawValue), header.stream_id,
            HTTP2ErrorCode.noError.rawValue)
        }
      }
    case NGHTTP2_RST_STREAM.rawValue:
      guard role == .server else { return 0 }
      // An honest client fills the window before it reads of the reset; nghttp2 drops that DATA
      // without a callback, so nothing would tell it from a flood.
      judge(.cutOff(window: Int(configuration.streamWindow)))
      if let stream = unsafe stream(header.stream_id) {
        if unsafe !stream._withUnsafeGuaranteedRef({ $0.choseReset }) { judge(.resetForced) }
      } else {
        judge(unsafe frame.pointee.rst_stream.error_code == 7 ? .refused : .resetForced)
      }
    default:
      break
    }
    return 0
  }

  fileprivate func streamClosed(_ id: Int32, _ code: UInt32) -> Int32 {
    guard let stream = unsafe stream(id)?.takeUnretainedValue() else { return 0 }
    unsafe nghttp2_session_set_stream_user_data(session, id, nil)
    // The list of another stream may have arrived in part.
    if unsafe headerStream?._withUnsafeGuaranteedRef({ $0 === stream }) == true {
      unsafe headerStream = nil
    }
    recentID = 0
    unsafe recentStream = nil
    if stream.unconsumed > 0 {
      // The stream's own window is gone with it; the connection's would leak shut.
      unsafe nghttp2_session_consume_connection(session, stream.unconsumed)
      stream.unconsumed = 0
    }
    forget(stream)
    events.closed(stream, code)
    return 0
  }
}
