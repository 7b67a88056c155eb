import HTTP2
import NIOCore
import NIOHTTP1
import NIOSSL
import Synchronization

/// Refuses a connection above the limits; the channel is closed without a byte.
struct ConnectionLimitReached: Error {}

/// Puts the handlers of a new connection in place.
enum ConnectionSetup {
  static func prepare(
    _ channel: any Channel, loop: LoopContext, isTLS: Bool
  ) throws {
    let counters = loop.server.counters
    guard let pass = loop.server.admission.admit(channel.remoteAddress) else {
      counters.refused.wrappingAdd(1, ordering: .relaxed)
      throw ConnectionLimitReached()
    }
    let admission = loop.server.admission
    channel.closeFuture.whenComplete { _ in admission.leave(pass) }
    counters.accepted.wrappingAdd(1, ordering: .relaxed)
    if isTLS {
      // INVARIANT: a listener for TLS never speaks without it.
      guard let tls = loop.server.tls.withLock({ $0 }) else {
        throw RPCServer.StartError(description: "a TLS listener has no certificate")
      }
      let pipeline = channel.pipeline.syncOperations
      try pipeline.addHandler(NIOSSLServerHandler(context: tls))
      return try pipeline.addHandler(TLSNegotiation(loop: loop))
    }
    let peer = PeerInfo(address: channel.remoteAddress, isPlaintext: true)
    try channel.pipeline.syncOperations.addHandler(ProtocolSniffer(loop: loop, peer: peer))
  }

  static func http2Handler(loop: LoopContext, peer: PeerInfo) -> HTTP2ChannelHandler {
    let limits = loop.server.configuration.limits
    var configuration = HTTP2Configuration()
    configuration.concurrentStreams = limits.concurrentStreams
    configuration.streamWindow = limits.streamWindow
    configuration.connectionWindow = limits.connectionWindow
    configuration.headerBytes = limits.headerBytes
    configuration.headerFields = limits.headerFields
    configuration.queuedBytesPerStream = limits.queuedBytesPerStream
    configuration.abuse = abuseLimits(loop.server.configuration)
    return HTTP2ChannelHandler(
      role: .server, configuration: configuration,
      delegate: HTTP2ServerConnection(loop: loop, peer: peer))
  }

  private static func abuseLimits(_ configuration: RPCServerConfiguration) -> AbuseGuard.Limits {
    var limits = AbuseGuard.Limits()
    let keepalive = configuration.keepalive
    limits.connectionWindow = Int(configuration.limits.connectionWindow)
    limits.streams = Int(configuration.limits.concurrentStreams)
    limits.pingInterval = nanoseconds(keepalive.minimumPingInterval)
    limits.idlePingInterval = nanoseconds(keepalive.minimumPingIntervalWithoutCalls)
    limits.pingsWithoutCallsPermitted = keepalive.permitWithoutCalls
    return limits
  }

  static func addHTTP1(
    _ channel: any Channel, loop: LoopContext, peer: PeerInfo
  ) throws {
    let limits = loop.server.configuration.limits
    var decoding = NIOHTTPDecoderLimitConfiguration()
    decoding.maxHeaderFieldSize = min(8_192, limits.headerBytes)
    decoding.maxHeaderListSize = limits.headerBytes
    decoding.maxHeaderFieldCount = limits.headerFields
    let pipeline = channel.pipeline.syncOperations
    let progress = HTTP1ProgressGuard()
    try pipeline.addHandler(progress)
    try pipeline.configureHTTPServerPipeline(
      position: .last, withPipeliningAssistance: true, withServerUpgrade: nil,
      withErrorHandling: false, withOutboundHeaderValidation: true,
      withEncoderConfiguration: .init(), withDecoderLimitConfiguration: decoding)
    let parser = try pipeline.handler(type: ByteToMessageHandler<HTTPRequestDecoder>.self)
    try pipeline.addHandler(HTTP1ProgressGuard.Parsed(progress), position: .after(parser))
    try pipeline.addHandler(HTTP1ServerConnection(loop: loop, peer: peer))
  }

  static func nanoseconds(_ milliseconds: Int64) -> UInt64 {
    let (product, overflow) = UInt64(clamping: milliseconds)
      .multipliedReportingOverflow(by: 1_000_000)
    return overflow ? .max / 2 : min(product, .max / 2)
  }
}
