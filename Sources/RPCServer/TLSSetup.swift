import Logging
import NIOCore
import NIOSSL
import NIOTLS
import Synchronization

/// TLS as this server wants it, whatever the configuration given says about versions.
enum TLSSetup {
  /// Sets the floor of versions and ciphers and offers both protocols by ALPN.
  ///
  /// RFC 9113 §9.2.2 rules out CBC and RSA key exchange for HTTP/2 over TLS 1.2.
  static func context(
    _ configuration: TLSConfiguration
  ) throws(ServerTLS.Failure) -> NIOSSLContext {
    var configuration = configuration
    configuration.minimumTLSVersion = .tlsv12
    configuration.applicationProtocols = ["h2", "http/1.1"]
    configuration.cipherSuiteValues = [
      .TLS_AES_128_GCM_SHA256, .TLS_AES_256_GCM_SHA384, .TLS_CHACHA20_POLY1305_SHA256,
      .TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, .TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
      .TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256, .TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
      .TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,
      .TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
    ]
    do {
      return try NIOSSLContext(configuration: configuration)
    } catch {
      throw ServerTLS.Failure(
        description: "certificate and key cannot be used together; is the key the certificate's?")
    }
  }
}

/// Waits for the handshake and puts the handlers of the negotiated protocol in place. A client
/// that negotiates nothing is taken for an HTTP/1.1 one.
final class TLSNegotiation: ChannelInboundHandler, RemovableChannelHandler {
  typealias InboundIn = ByteBuffer
  typealias InboundOut = ByteBuffer

  private let loop: LoopContext
  private var timer: Scheduled<Void>?
  /// The handshake succeeded, or failed and was counted.
  private var isOver = false

  init(loop: LoopContext) { self.loop = loop }

  func handlerAdded(context: ChannelHandlerContext) {
    let bound = NIOLoopBound(context, eventLoop: context.eventLoop)
    let this = NIOLoopBound(self, eventLoop: context.eventLoop)
    let limit = loop.server.configuration.timers.tlsHandshake
    timer = context.eventLoop.scheduleTask(in: .milliseconds(limit)) {
      this.value.failed()
      bound.value.close(promise: nil)
    }
  }

  private func failed() {
    guard !isOver else { return }
    isOver = true
    loop.server.counters.failedHandshakes.wrappingAdd(1, ordering: .relaxed)
  }

  func handlerRemoved(context: ChannelHandlerContext) { timer?.cancel() }

  func channelInactive(context: ChannelHandlerContext) {
    timer?.cancel()
    failed()
    context.fireChannelInactive()
  }

  /// A failed handshake or a missing close_notify is the peer's affair.
  func errorCaught(context: ChannelHandlerContext, error: any Error) {
    failed()
    loop.server.logger.debug("TLS", metadata: ["error": "\(error)"])
    context.close(promise: nil)
  }

  func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
    guard case .handshakeCompleted(let name) = event as? TLSUserEvent else {
      return context.fireUserInboundEventTriggered(event)
    }
    timer?.cancel()
    isOver = true
    let pipeline = context.pipeline.syncOperations
    do {
      let tls = try pipeline.handler(type: NIOSSLHandler.self)
      let certificates = try (tls.peerCertificate.map { [$0] } ?? []).map { try $0.toDERBytes() }
      let peer = PeerInfo(
        address: context.remoteAddress, isPlaintext: false, certificates: certificates)
      if name == "h2" {
        try pipeline.addHandler(ConnectionSetup.http2Handler(loop: loop, peer: peer))
      } else {
        try ConnectionSetup.addHTTP1(context.channel, loop: loop, peer: peer)
      }
    } catch {
      return context.close(promise: nil)
    }
    pipeline.removeHandler(self, promise: nil)
  }
}
