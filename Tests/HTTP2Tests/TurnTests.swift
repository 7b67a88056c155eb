import HTTP2
import NIOCore
import NIOEmbedded
import Testing

/// One connection of many frames does not keep its loop from the others.
@Suite struct TurnTests {
  private final class Counting: HTTP2ConnectionDelegate {
    var requests = 0
    var ended = false

    func http2Started(_ connection: HTTP2ChannelHandler) {}
    func http2Ended(_ connection: HTTP2ChannelHandler) { ended = true }

    func http2Event(_ event: HTTP2Event, on connection: HTTP2ChannelHandler) {
      switch event {
      case .headers(let stream):
        requests += 1
        var fields = HTTP2Fields()
        fields.add(":status", "204")
        connection.session?.respond(stream, .built(fields), endStream: true)
      default: break
      }
    }
  }

  private static let preface =
    Array("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".utf8) + [0, 0, 0, 4, 0, 0, 0, 0, 0]

  /// HEADERS with END_STREAM: `GET / http` out of the static table, and an authority.
  private static func request(_ number: Int) -> [UInt8] {
    let id = UInt32(2 * number + 1)
    return [0, 0, 6, 1, 5] + (0..<4).map { UInt8(truncatingIfNeeded: id >> (24 - 8 * $0)) }
      + [0x82, 0x84, 0x86, 1, 1, 0x78]
  }

  private func connect(streams: UInt32) throws -> (EmbeddedChannel, Counting) {
    let counting = Counting()
    var configuration = HTTP2Configuration()
    configuration.concurrentStreams = streams
    configuration.abuse = AbuseGuard.Limits()
    let channel = EmbeddedChannel(
      handler: HTTP2ChannelHandler(
        role: .server, configuration: configuration, delegate: counting))
    try channel.connect(to: .init(ipAddress: "127.0.0.1", port: 1)).wait()
    return (channel, counting)
  }

  @Test func manyFramesTakeSeveralTurns() throws {
    let (channel, counting) = try connect(streams: 10_000)
    let requests = (0..<2_000).flatMap { Self.request($0) }
    try channel.writeInbound(ByteBuffer(bytes: Self.preface + requests))
    var turns = 1
    var before = 0
    while counting.requests < 2_000, turns < 100 {
      #expect(counting.requests > before, "each turn does something")
      #expect(counting.requests - before < 512, "and not too much")
      before = counting.requests
      channel.embeddedEventLoop.advanceTime(by: .microseconds(50))
      turns += 1
    }
    #expect(counting.requests == 2_000)
    #expect(turns > 4)
    _ = try channel.finish(acceptAlreadyClosed: true)
  }

  @Test func whatComesMeanwhileWaitsInOrder() throws {
    let (channel, counting) = try connect(streams: 10_000)
    let requests = (0..<900).map { Self.request($0) }
    try channel.writeInbound(ByteBuffer(bytes: Self.preface + requests[..<600].flatMap { $0 }))
    try channel.writeInbound(ByteBuffer(bytes: requests[600...].flatMap { $0 }))
    for _ in 0..<100 { channel.embeddedEventLoop.advanceTime(by: .milliseconds(1)) }
    // Ids out of order would have ended the connection.
    #expect(counting.requests == 900 && !counting.ended)
    _ = try channel.finish(acceptAlreadyClosed: true)
  }

  @Test func aConnectionThatEndsMeanwhileIsForgotten() throws {
    let (channel, counting) = try connect(streams: 10_000)
    let requests = (0..<900).flatMap { Self.request($0) }
    try channel.writeInbound(ByteBuffer(bytes: Self.preface + requests))
    let parsed = counting.requests
    channel.pipeline.fireChannelInactive()
    #expect(counting.ended)
    channel.embeddedEventLoop.advanceTime(by: .milliseconds(10))
    #expect(counting.requests == parsed)
  }
}
