import HTTP2
import Testing

/// Header lists of a connection, most of which are those of the call before.
@Suite struct RepeatedHeadersTests {
  /// What the server saw of each list that the client sent, in order.
  private func crossing(
    _ lists: [HTTP2Fields], pieces: Int? = nil, answersAfter count: Int = 1
  ) throws -> [HTTP2Fields] {
    let pair = try Pair(pieces: pieces)
    var seen: [HTTP2Fields] = []
    var open: [HTTP2Stream] = []
    var ok = HTTP2Fields()
    ok.add(":status", "200")
    pair.onServerEvent = { event in
      switch event {
      case .headers(let stream): seen.append(stream.headers)
      case .end(let stream):
        open.append(stream)
        guard open.count >= count else { return }
        for stream in open { pair.server.respond(stream, .built(ok), endStream: true) }
        open = []
      default: break
      }
    }
    for list in lists {
      _ = try #require(pair.client.request(.built(list), endStream: true))
      pair.run()
    }
    return seen
  }

  private func list(_ pairs: [(String, String)], path: String = "/a.B/C") -> HTTP2Fields {
    var fields = HTTP2Fields()
    let head = [(":method", "POST"), (":scheme", "http"), (":path", path), (":authority", "x")]
    for (name, value) in head + pairs { fields.add(Array(name.utf8), Array(value.utf8)) }
    return fields
  }

  @Test(arguments: [nil, 1, 5] as [Int?])
  func eachListArrivesAsItWasSent(pieces: Int?) throws {
    let plain = [("content-type", "application/grpc"), ("te", "trailers")]
    let lists = [
      plain, plain, plain + [("x", "1")], plain + [("x", "1")], plain + [("x", "2")], plain,
      Array(plain.prefix(1)), [], plain,
      [("te", "trailers"), ("content-type", "application/grpc")],
      [("tet", "railers"), ("s", "content-type")], plain + [("x", ""), ("x", "")], plain,
      plain + [("xy", "z")], plain + [("x", "yz")], plain + [("x", "yz")],
    ].map { list($0) }
    let seen = try crossing(lists, pieces: pieces)
    #expect(seen.count == lists.count)
    for (one, other) in zip(seen, lists) { #expect(one.hasSameBytes(as: other)) }
  }

  /// nghttp2 puts no path into the table of the connection, so its buffer is free again at once, and
  /// the next path of that length, which nothing else has, is put into it.
  @Test func aBufferThatIsUsedAgainIsNotTakenForItsOldText() throws {
    let lists = "CCDDCCCDCDDD".map { letter in
      list([("te", "trailers")], path: "/a.B/" + String(repeating: letter, count: 777))
    }
    let seen = try crossing(lists)
    #expect(seen.count == lists.count)
    for (one, other) in zip(seen, lists) { #expect(one.hasSameBytes(as: other)) }
  }

  /// The answer of one call leaves, which ends its stream, while the list of the next one has arrived
  /// in part: with a hundred calls in flight, reads end in the middle of lists all the time.
  @Test(arguments: ["the same", "another"]) func aListInPartOutlivesTheEndOfAnotherCall(
    which: String
  ) throws {
    let plain = [("content-type", "application/grpc"), ("te", "trailers"), ("x", "1")]
    let first = list(plain)
    let second = which == "another" ? list(plain.reversed() + [("y", "2")]) : first
    var cut = 0
    var isCut = true
    while isCut {
      cut += 1
      let pair = try Pair()
      var begun: [HTTP2Stream] = []
      pair.onServerEvent = { if case .headers(let stream) = $0 { begun.append(stream) } }
      _ = try #require(pair.client.request(.built(first), endStream: true))
      pair.run()
      var bytes: [UInt8] = []
      _ = try #require(pair.client.request(.built(second), endStream: true))
      pair.client.drain(limit: .max, now: 0) { bytes.append(contentsOf: $0) }
      isCut = cut < bytes.count
      _ = bytes.prefix(cut).withUnsafeBytes { pair.server.receive($0, now: 0) }
      var ok = HTTP2Fields()
      ok.add(":status", "200")
      pair.server.respond(try #require(begun.first), .built(ok), endStream: true)
      pair.server.drain(limit: .max, now: 0) { _ in }
      _ = bytes.dropFirst(cut).withUnsafeBytes { pair.server.receive($0, now: 0) }
      pair.run()
      #expect(begun.count == 2, "cut after \(cut) bytes")
      #expect(begun.last?.headers.hasSameBytes(as: second) == true, "cut after \(cut) bytes")
    }
    #expect(cut > 15)
  }

  /// A list stays what it is while later ones are compared with it and replace it.
  @Test func aListIsNotChangedByThoseAfterIt() throws {
    let seed = UInt64.random(in: 0 ... .max)
    print("repeated headers: seed \(seed)")
    var random = Seeded(state: seed)
    for _ in 0..<40 {
      let lists = (0..<30).map { _ in
        list(
          (0..<Int.random(in: 0...3, using: &random)).map { _ in
            (
              ["a", "b", "ab"].randomElement(using: &random) ?? "a",
              // Long enough to push others out of the dynamic table now and then.
              String(
                repeating: ["1", "2"].randomElement(using: &random) ?? "1",
                count: [0, 1, 700].randomElement(using: &random) ?? 0)
            )
          })
      }
      let seen = try crossing(lists, answersAfter: Int.random(in: 1...4, using: &random))
      #expect(seen.count == lists.count)
      for (one, other) in zip(seen, lists) {
        #expect(one.hasSameBytes(as: other), "seed \(seed)")
      }
    }
  }
}
