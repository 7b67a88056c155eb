import HTTP2
import Testing

/// A client's and a server's session joined in memory: what one sends the other receives.
final class Pair {
  let client: HTTP2Session
  let server: HTTP2Session
  var serverEvents: [HTTP2Event] = []
  var clientEvents: [HTTP2Event] = []
  /// Cut what crosses into pieces of this size; `nil` passes it on whole.
  let pieces: Int?
  var outcome = HTTP2Session.Outcome.proceed
  /// Acts on an event of the server while it is told.
  var onServerEvent: (HTTP2Event) -> Void = { _ in }
  var onClientEvent: (HTTP2Event) -> Void = { _ in }

  init(pieces: Int? = nil, _ change: (inout HTTP2Configuration) -> Void = { _ in }) throws {
    var configuration = HTTP2Configuration()
    change(&configuration)
    var forServer = configuration
    forServer.abuse = AbuseGuard.Limits()
    server = try HTTP2Session(role: .server, configuration: forServer, now: 0)
    client = try HTTP2Session(role: .client, configuration: configuration, now: 0)
    self.pieces = pieces
  }

  private func pass(from: HTTP2Session, to: HTTP2Session) -> Bool {
    var bytes: [UInt8] = []
    from.drain(limit: .max, now: 0) { bytes.append(contentsOf: $0) }
    guard !bytes.isEmpty else { return false }
    var rest = bytes[...]
    while !rest.isEmpty {
      let piece = Array(rest.prefix(pieces ?? rest.count))
      rest = rest.dropFirst(piece.count)
      let result = piece.withUnsafeBytes { to.receive($0, now: 0) }
      if to === server { outcome = result }
      if result != .proceed { break }
    }
    return true
  }

  private func tell() {
    while let event = server.nextEvent() {
      serverEvents.append(event)
      onServerEvent(event)
    }
    while let event = client.nextEvent() {
      clientEvents.append(event)
      onClientEvent(event)
    }
  }

  /// Passes bytes to and fro until both rest.
  func run() {
    var moved = true
    while moved {
      moved = pass(from: client, to: server)
      tell()
      moved = pass(from: server, to: client) || moved
      tell()
    }
  }
}

private func fields(_ pairs: (StaticString, StaticString)...) -> HTTP2Fields {
  var fields = HTTP2Fields()
  for (name, value) in pairs { fields.add(name, value) }
  return fields
}

private let request = fields(
  (":method", "POST"), (":scheme", "http"), (":path", "/a.B/C"), (":authority", "x"),
  ("content-type", "application/grpc"), ("te", "trailers"))
private let head = fields((":status", "200"), ("content-type", "application/grpc"))
private let trailers = fields(("grpc-status", "0"))

@Suite struct SessionTests {
  /// Answers each request with its own body.
  private func echo(_ pair: Pair) {
    var bodies: [Int32: [UInt8]] = [:]
    pair.onServerEvent = { event in
      switch event {
      case .data(let stream):
        bodies[stream.id, default: []] += stream.inbound
        pair.server.consume(stream.inbound.count, of: stream)
        stream.inbound = []
      case .end(let stream):
        pair.server.respond(stream, .built(head), endStream: false)
        pair.server.write(bodies[stream.id] ?? [], to: stream)
        pair.server.finish(stream, trailers: .built(trailers))
      default: break
      }
    }
  }

  @Test(arguments: [nil, 1, 7, 1_000] as [Int?])
  func aCallCrossesHoweverItsBytesAreCut(pieces: Int?) throws {
    let pair = try Pair(pieces: pieces)
    echo(pair)
    let body = (0..<50_000).map { UInt8(truncatingIfNeeded: $0) }
    var received: [UInt8] = []
    var status: [UInt8]?
    pair.onClientEvent = { event in
      switch event {
      case .data(let stream):
        received += stream.inbound
        pair.client.consume(stream.inbound.count, of: stream)
        stream.inbound = []
      case .end(let stream): status = stream.trailers.first("grpc-status").map(Array.init)
      default: break
      }
    }
    let stream = try #require(pair.client.request(.built(request), endStream: false))
    pair.client.write(body, to: stream)
    pair.client.finish(stream, trailers: nil)
    pair.run()
    #expect(received == body)
    #expect(status == Array("0".utf8))
    #expect(pair.server.liveStreams.isEmpty && pair.client.liveStreams.isEmpty)
  }

  @Test func manyCallsReuseStreamsWithoutMixingThem() throws {
    let pair = try Pair()
    echo(pair)
    var answers: [Int32: [UInt8]] = [:]
    pair.onClientEvent = { event in
      guard case .data(let stream) = event else { return }
      answers[stream.id, default: []] += stream.inbound
      pair.client.consume(stream.inbound.count, of: stream)
      stream.inbound = []
    }
    var expected: [Int32: [UInt8]] = [:]
    for round in 0..<300 {
      let body = [UInt8](repeating: UInt8(truncatingIfNeeded: round), count: round % 50 + 1)
      let stream = try #require(pair.client.request(.built(request), endStream: false))
      pair.client.write(body, to: stream)
      pair.client.finish(stream, trailers: nil)
      expected[stream.id] = body
      if round % 7 == 0 { pair.run() }
    }
    pair.run()
    #expect(answers == expected)
  }

  @Test func trailersAloneAreOneHeaderList() throws {
    let pair = try Pair()
    var lists = 0
    pair.onServerEvent = { event in
      guard case .end(let stream) = event else { return }
      pair.server.respond(stream, .built(head), endStream: true)
    }
    pair.onClientEvent = { event in
      if case .headers = event { lists += 1 }
    }
    _ = pair.client.request(.built(request), endStream: true)
    pair.run()
    #expect(lists == 1 && pair.client.liveStreams.isEmpty)
  }

  @Test func anEarlyAnswerArrivesWholeAndResetsTheRest() throws {
    let pair = try Pair()
    var answer: [UInt8] = []
    var ended = false
    pair.onServerEvent = { event in
      guard case .headers(let stream) = event else { return }
      pair.server.respond(stream, .built(head), endStream: false)
      pair.server.write(Array("early".utf8), to: stream)
      pair.server.finish(stream, trailers: .built(trailers))
    }
    pair.onClientEvent = { event in
      switch event {
      case .data(let stream): answer += stream.inbound
      case .end: ended = true
      default: break
      }
    }
    let stream = try #require(pair.client.request(.built(request), endStream: false))
    pair.client.write(Array("open".utf8), to: stream)
    pair.client.resume(stream)
    pair.run()
    #expect(answer == Array("early".utf8) && ended)
    #expect(pair.server.liveStreams.isEmpty)
  }

  @Test func theEndDoesNotWaitForWindowAfterExactlyAllOfIt() throws {
    let pair = try Pair { $0.streamWindow = 65_535 }
    pair.onServerEvent = { event in
      guard case .end(let stream) = event else { return }
      pair.server.respond(stream, .built(head), endStream: false)
      pair.server.write([UInt8](repeating: 1, count: 65_535), to: stream)
      pair.server.finish(stream, trailers: .built(trailers))
    }
    var ended = false
    pair.onClientEvent = { event in
      if case .end = event { ended = true }
    }
    _ = pair.client.request(.built(request), endStream: true)
    pair.run()
    #expect(ended)
  }

  @Test func trailersAddedLaterDoNotWaitForWindowEither() throws {
    let pair = try Pair { $0.streamWindow = 65_535 }
    var open: HTTP2Stream?
    pair.onServerEvent = { event in
      guard case .end(let stream) = event else { return }
      pair.server.respond(stream, .built(head), endStream: false)
      pair.server.write([UInt8](repeating: 1, count: 65_535), to: stream)
      open = stream
    }
    var ended = false
    pair.onClientEvent = { event in
      if case .end = event { ended = true }
    }
    _ = pair.client.request(.built(request), endStream: true)
    pair.run()
    #expect(!ended)
    pair.server.finish(try #require(open), trailers: .built(trailers))
    pair.run()
    #expect(ended)
  }

  @Test func aProducerIsToldWhenItsQueueIsHalfEmpty() throws {
    let pair = try Pair { $0.streamWindow = 65_535 }
    pair.onServerEvent = { event in
      guard case .end(let stream) = event else { return }
      pair.server.respond(stream, .built(head), endStream: false)
      pair.server.write([UInt8](repeating: 1, count: 90_000), to: stream)
      stream.wantsDrainedEvent = true
    }
    _ = pair.client.request(.built(request), endStream: true)
    pair.run()
    let drained = pair.serverEvents.contains { if case .drained = $0 { true } else { false } }
    #expect(drained)
    #expect(pair.server.queuedBytes == 90_000 - 65_535)
  }

  @Test func headersAboveTheLimitAreNotStored() throws {
    let pair = try Pair { $0.headerBytes = 500 }
    var large = request
    for _ in 0..<20 { large.add("x-filler", "0123456789012345678901234567890123456789") }
    var overflowed = false
    pair.onServerEvent = { event in
      guard case .headers(let stream) = event else { return }
      overflowed = stream.headersOverflowed && stream.headers.listSize <= 500
      pair.server.respond(stream, .built(head), endStream: true)
    }
    _ = pair.client.request(.built(large), endStream: true)
    pair.run()
    #expect(overflowed)
  }

  @Test func aResetReachesTheOtherSide() throws {
    let pair = try Pair()
    var code: HTTP2ErrorCode?
    pair.onServerEvent = { event in
      if case .closed(_, let reason) = event { code = reason }
    }
    let stream = try #require(pair.client.request(.built(request), endStream: false))
    pair.run()
    pair.client.reset(stream, .cancel)
    pair.run()
    #expect(code == .cancel)
  }

  @Test func whatIsAskedOfAClosedStreamIsIgnored() throws {
    let pair = try Pair()
    var served: HTTP2Stream?
    pair.onServerEvent = { event in
      if case .headers(let stream) = event { served = stream }
    }
    let stream = try #require(pair.client.request(.built(request), endStream: false))
    pair.run()
    pair.client.reset(stream, .cancel)
    pair.run()
    let gone = try #require(served)
    pair.server.respond(gone, .built(head), endStream: false)
    pair.server.write([1], to: gone)
    pair.server.finish(gone, trailers: .built(trailers))
    pair.server.reset(gone, .cancel)
    pair.run()
    #expect(pair.server.queuedBytes == 0 && pair.outcome == .proceed)
  }

  @Test func bytesNeverTakenAreGivenBackToTheConnection() throws {
    let pair = try Pair { $0.connectionWindow = 65_535 }
    pair.onServerEvent = { event in
      // The handler takes nothing and answers; the connection's window must not leak shut.
      guard case .end(let stream) = event else { return }
      pair.server.respond(stream, .built(head), endStream: true)
    }
    for _ in 0..<20 {
      let stream = try #require(pair.client.request(.built(request), endStream: false))
      pair.client.write([UInt8](repeating: 1, count: 30_000), to: stream)
      pair.client.finish(stream, trailers: nil)
      pair.run()
    }
    #expect(pair.client.liveStreams.isEmpty)
  }

  @Test func aGracefulEndServesWhatIsOpenAndThenRests() throws {
    let pair = try Pair()
    var open: HTTP2Stream?
    pair.onServerEvent = { event in
      if case .end(let stream) = event { open = stream }
    }
    _ = pair.client.request(.built(request), endStream: true)
    pair.run()
    pair.server.submitShutdownNotice()
    pair.run()
    pair.server.submitGoAway()
    pair.run()
    #expect(pair.server.isAlive)
    pair.server.respond(try #require(open), .built(head), endStream: true)
    pair.run()
    #expect(!pair.server.isAlive)
  }

  @Test func aWrongPrefaceIsClosedWithoutAnAnswer() throws {
    let server = try HTTP2Session(role: .server, configuration: .init(), now: 0)
    let outcome = Array("GET / HTTP/1.1\r\n\r\n".utf8).withUnsafeBytes {
      server.receive($0, now: 0)
    }
    #expect(outcome == .close)
  }

  @Test func randomBytesNeverTrap() throws {
    let seed = UInt64.random(in: 0 ... .max)
    var state = seed
    func next() -> UInt64 {
      state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
      return state >> 33
    }
    for _ in 0..<300 {
      var configuration = HTTP2Configuration()
      configuration.abuse = AbuseGuard.Limits()
      let server = try HTTP2Session(role: .server, configuration: configuration, now: 0)
      var bytes = Array("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".utf8) + [0, 0, 0, 4, 0, 0, 0, 0, 0]
      for _ in 0..<20 {
        // Frames with a plausible head and anything inside.
        let length = Int(next() % 40)
        bytes += [0, 0, UInt8(length), UInt8(next() % 11), UInt8(truncatingIfNeeded: next())]
        bytes += [0, 0, 0, UInt8(next() % 8)]
        bytes += (0..<length).map { _ in UInt8(truncatingIfNeeded: next()) }
      }
      _ = bytes.withUnsafeBytes { server.receive($0, now: 0) }
      while let event = server.nextEvent() {
        if case .headers(let stream) = event {
          server.respond(stream, .built(head), endStream: true)
        }
      }
      server.drain(limit: .max, now: 0) { _ in }
      while server.nextEvent() != nil {}
    }
    print("random bytes: seed \(seed)")
  }
}
