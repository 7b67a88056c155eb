/// One stream: what arrived, what waits to be sent, and where it stands.
///
/// Pooled by its session. Confined to the thread of its session.
public final class HTTP2Stream {
  public internal(set) var id: Int32 = 0
  /// Request headers on a server, response headers on a client.
  public internal(set) var headers = HTTP2Fields()
  /// A client's received trailers; a server ignores trailers of requests.
  public internal(set) var trailers = HTTP2Fields()
  /// The header list passed the limit; the rest was not stored.
  public internal(set) var headersOverflowed = false
  /// Size of what was not stored.
  var overflowBytes = 0
  /// The peer ended its side.
  public internal(set) var remoteClosed = false
  /// The stream is gone in nghttp2; nothing can be sent on it.
  public internal(set) var isClosed = false

  /// DATA that arrived and was not taken yet. The owner takes bytes out and reports them with
  /// `HTTP2Session.consume` when they no longer occupy memory.
  public var inbound: [UInt8] = []
  /// DATA bytes received and not yet given back to flow control.
  public internal(set) var unconsumed = 0

  /// Ask for a `drained` event when the queue falls below half of the limit given to the session.
  public var wantsDrainedEvent = false

  /// Monotonic nanoseconds: kept by the owner, when it last saw DATA arrive.
  public var lastInbound: UInt64 = 0
  /// Monotonic nanoseconds of the last progress of queued DATA; meaningful while some is queued.
  public internal(set) var lastOutbound: UInt64 = 0

  /// Whatever the owner hangs on the stream.
  public var owner: AnyObject?

  var outbound = OutboundQueue()
  var trailerList: HTTP2FieldList?
  /// No more DATA will be queued.
  var outboundEnded = false
  /// The response (server) or request (client) headers were submitted.
  var headSubmitted = false
  /// The stream's last frame was submitted or left to the provider.
  var finished = false
  /// Set when a reset is ours by choice, so that it does not count against the peer.
  var choseReset = false
  /// The provider had nothing to send and waits to be woken.
  var isDeferred = false
  /// Received DATA is dropped and returned to flow control at once.
  var discardsInbound = false
  var receivingTrailers = false
  /// The memory of `headers` is others' too.
  var sharesHeaders = false
  /// Place in the session's list of live streams.
  var liveIndex = 0

  init() {}

  /// Bytes waiting to be sent.
  public var queuedBytes: Int { outbound.count }

  /// Prepares for another life; large buffers are not kept.
  func reset() {
    id = 0
    if sharesHeaders { headers = HTTP2Fields() } else { headers.empty() }
    sharesHeaders = false
    trailers.empty()
    headersOverflowed = false
    overflowBytes = 0
    remoteClosed = false
    isClosed = false
    if inbound.capacity > 16_384 {
      inbound = []
    } else if !inbound.isEmpty {
      inbound.removeAll(keepingCapacity: true)
    }
    outbound.empty()
    unconsumed = 0
    wantsDrainedEvent = false
    lastInbound = 0
    lastOutbound = 0
    owner = nil
    trailerList = nil
    outboundEnded = false
    headSubmitted = false
    finished = false
    choseReset = false
    isDeferred = false
    discardsInbound = false
    receivingTrailers = false
  }
}
