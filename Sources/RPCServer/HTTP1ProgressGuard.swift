import NIOCore
import NIOHTTP1

/// Ends an HTTP/1.1 connection whose bytes become nothing. The parser after it skips what says
/// nothing to us, such as chunk extensions (RFC 9112 section 7.1.1), however long it is and without a
/// word; nobody else would notice the megabytes, nor whoever sends them for ever.
final class HTTP1ProgressGuard: ChannelInboundHandler {
  typealias InboundIn = ByteBuffer
  typealias InboundOut = ByteBuffer

  /// What HTTP/2 connections are allowed too.
  private static let limit = 65_536
  /// A chunk of one byte takes six on the wire.
  private static let creditPerBodyByte = 8

  /// Bytes that came since the parser last made something of them, less what that allows.
  private var useless = 0

  func channelRead(context: ChannelHandlerContext, data: NIOAny) {
    useless += unwrapInboundIn(data).readableBytes
    context.fireChannelRead(data)
    if useless > Self.limit { context.close(promise: nil) }
  }

  private func made(_ part: HTTPServerRequestPart) {
    switch part {
    case .head, .end: useless = 0
    case .body(let bytes): useless = max(0, useless - Self.creditPerBodyByte * bytes.readableBytes)
    }
  }

  /// Stands behind the parser and tells what it makes.
  final class Parsed: ChannelInboundHandler {
    typealias InboundIn = HTTPServerRequestPart
    typealias InboundOut = HTTPServerRequestPart

    private let progress: HTTP1ProgressGuard

    init(_ progress: HTTP1ProgressGuard) { self.progress = progress }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
      progress.made(unwrapInboundIn(data))
      context.fireChannelRead(data)
    }
  }
}
