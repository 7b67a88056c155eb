/// What a session noticed of one stream.
public enum HTTP2StreamEvent {
  case headers, data, end, drained
  case closed(HTTP2ErrorCode)
}

/// What a session noticed; delivered in order, after nghttp2 has returned.
public enum HTTP2Event {
  /// A complete header list: a request on a server, a response on a client.
  case headers(HTTP2Stream)
  /// More bytes are in `HTTP2Stream.inbound`.
  case data(HTTP2Stream)
  /// The peer ended its side; a client finds trailers in `HTTP2Stream.trailers`.
  case end(HTTP2Stream)
  /// The stream is gone: answered (code 0), reset by either side, or lost with the connection.
  /// The stream object is reused after this event.
  case closed(HTTP2Stream, HTTP2ErrorCode)
  /// The send queue fell below half of its limit.
  case drained(HTTP2Stream)
  case pingAcknowledged(UInt64)
  case settingsAcknowledged
  /// The peer will accept no stream above `lastStream`.
  case goAway(HTTP2ErrorCode, lastStream: Int32, debug: String)
}
