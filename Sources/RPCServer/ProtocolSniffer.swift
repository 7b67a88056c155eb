import HTTP2
import NIOCore

/// Tells HTTP/2 with prior knowledge from HTTP/1.1 by the first bytes of a plaintext connection
/// and puts the right handlers in its place. Sends nothing itself.
final class ProtocolSniffer: ChannelInboundHandler, RemovableChannelHandler {
  typealias InboundIn = ByteBuffer
  typealias InboundOut = ByteBuffer

  enum Finding: Equatable { case undecided, http2, http1 }

  static let preface = Array("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".utf8)

  private let loop: LoopContext
  private let peer: PeerInfo
  private var collected = ByteBuffer()
  private var timer: Scheduled<Void>?
  private var isDecided = false

  init(loop: LoopContext, peer: PeerInfo) {
    self.loop = loop
    self.peer = peer
  }

  /// Compares what arrived with the preface; one differing byte decides.
  static func examine(_ bytes: some Collection<UInt8>) -> Finding {
    for (byte, wanted) in zip(bytes, preface) where byte != wanted { return .http1 }
    return bytes.count >= preface.count ? .http2 : .undecided
  }

  func handlerAdded(context: ChannelHandlerContext) {
    let limit = loop.server.configuration.timers.firstBytes
    let bound = NIOLoopBound(context, eventLoop: context.eventLoop)
    timer = context.eventLoop.scheduleTask(in: .milliseconds(limit)) {
      bound.value.close(promise: nil)
    }
  }

  func handlerRemoved(context: ChannelHandlerContext) { timer?.cancel() }

  func channelInactive(context: ChannelHandlerContext) {
    timer?.cancel()
    context.fireChannelInactive()
  }

  func channelRead(context: ChannelHandlerContext, data: NIOAny) {
    guard !isDecided else { return context.fireChannelRead(data) }
    var buffer = unwrapInboundIn(data)
    collected.writeBuffer(&buffer)
    switch Self.examine(collected.readableBytesView.prefix(Self.preface.count)) {
    case .undecided: break
    case .http2: decide(context, isHTTP2: true)
    case .http1: decide(context, isHTTP2: false)
    }
  }

  func channelReadComplete(context: ChannelHandlerContext) { context.fireChannelReadComplete() }

  func errorCaught(context: ChannelHandlerContext, error: any Error) {
    context.close(promise: nil)
  }

  private func decide(_ context: ChannelHandlerContext, isHTTP2: Bool) {
    isDecided = true
    timer?.cancel()
    do {
      if isHTTP2 {
        try context.pipeline.syncOperations.addHandler(
          ConnectionSetup.http2Handler(loop: loop, peer: peer))
      } else {
        try ConnectionSetup.addHTTP1(context.channel, loop: loop, peer: peer)
      }
    } catch {
      return context.close(promise: nil)
    }
    context.fireChannelRead(wrapInboundOut(collected))
    collected = ByteBuffer()
    context.pipeline.syncOperations.removeHandler(self, promise: nil)
  }
}
