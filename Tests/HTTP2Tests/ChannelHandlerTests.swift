import HTTP2
import NIOCore
import NIOEmbedded
import Testing

/// The handler on a channel without a network.
@Suite struct ChannelHandlerTests {
  /// Notes what it is told, and closes the connection on the first event.
  private final class Owner: HTTP2ConnectionDelegate {
    var told: [String] = []

    func http2Started(_ connection: HTTP2ChannelHandler) {}
    func http2Ended(_ connection: HTTP2ChannelHandler) { told.append("ended") }

    func http2Event(_ event: HTTP2Event, on connection: HTTP2ChannelHandler) {
      switch event {
      case .headers(let stream):
        connection.close()
        // Still whole, although the connection has ended meanwhile.
        told.append("headers \(stream.id) \(stream.headers.count)")
      case .closed(let stream, _): told.append("closed \(stream.id)")
      default: told.append("more")
      }
    }
  }

  /// Whatever was not told yet when an event's taker ends the connection: each stream's end is, and
  /// nothing of a stream comes after it.
  @Test func whoEndsTheConnectionOnAnEventHearsOfTheEndOfEachStream() throws {
    let client = try HTTP2Session(role: .client, configuration: HTTP2Configuration(), now: 0)
    var request = HTTP2Fields()
    for (name, value) in [
      (":method", "POST"), (":scheme", "http"), (":path", "/a.B/C"), (":authority", "x"),
    ] as [(StaticString, StaticString)] { request.add(name, value) }
    let first = client.request(.built(request), endStream: false)
    _ = client.request(.built(request), endStream: true)
    var bytes = ByteBuffer()
    client.drain(limit: .max, now: 0) { bytes.writeBytes($0) }
    client.reset(try #require(first), .cancel)
    client.drain(limit: .max, now: 0) { bytes.writeBytes($0) }

    let owner = Owner()
    var configuration = HTTP2Configuration()
    configuration.abuse = AbuseGuard.Limits()
    let channel = EmbeddedChannel(
      handler: HTTP2ChannelHandler(role: .server, configuration: configuration, delegate: owner))
    try channel.connect(to: SocketAddress(unixDomainSocketPath: "/x")).wait()
    try channel.writeInbound(bytes)
    _ = try? channel.finish(acceptAlreadyClosed: true)
    #expect(owner.told.sorted() == ["closed 1", "closed 3", "ended", "headers 1 4"])
    #expect(owner.told.last == "ended" || owner.told.last == "headers 1 4")
  }
}
