import RPCWire
import Testing

@Suite struct MessageFramingTests {
  private func collect(
    _ chunks: [[UInt8]], limit: Int = 1_000, allowedFlags: UInt8 = 1
  ) throws -> [FramedMessage] {
    var deframer = MessageDeframer(maximumBytes: limit, allowedFlags: allowedFlags)
    var messages: [FramedMessage] = []
    for chunk in chunks { try deframer.feed(chunk) { messages.append($0) } }
    try deframer.finish()
    return messages
  }

  private func framed(_ bytes: [UInt8], flags: UInt8 = 0) -> [UInt8] {
    MessageFraming.prefix(flags: flags, length: bytes.count) + bytes
  }

  @Test func aWholeMessageComesOutAsItWentIn() throws {
    #expect(try collect([framed([1, 2, 3])]) == [FramedMessage(flags: 0, bytes: [1, 2, 3])])
  }

  @Test func anEmptyMessageIsAMessage() throws {
    #expect(try collect([framed([])]) == [FramedMessage(flags: 0, bytes: [])])
  }

  @Test func cuttingTheBytesAnywhereChangesNothing() throws {
    let messages: [[UInt8]] = [[], [7], Array(repeating: 9, count: 300), [1, 2]]
    let bytes = messages.flatMap { framed($0) }
    let whole = try collect([bytes])
    #expect(whole.map(\.bytes) == messages)
    #expect(try collect(bytes.map { [$0] }) == whole)
    for cut in 0...bytes.count {
      #expect(try collect([Array(bytes[..<cut]), Array(bytes[cut...])]) == whole, "cut at \(cut)")
    }
  }

  @Test func randomCutsChangeNothing() throws {
    let seed = UInt64.random(in: 0 ... .max)
    var random = SplitMix(state: seed)
    for _ in 0..<200 {
      let messages = (0..<Int.random(in: 1...5, using: &random)).map { _ in
        [UInt8](repeating: 5, count: Int.random(in: 0...40, using: &random))
      }
      let bytes = messages.flatMap { framed($0) }
      var chunks: [[UInt8]] = []
      var rest = bytes[...]
      while !rest.isEmpty {
        let count = Int.random(in: 1...12, using: &random)
        chunks.append(Array(rest.prefix(count)))
        rest = rest.dropFirst(count)
      }
      #expect(try collect(chunks).map(\.bytes) == messages, "seed \(seed)")
    }
  }

  @Test(arguments: 0..<10 as Range<UInt64>)
  func longMessagesInAnyPiecesComeOut(seed: UInt64) throws {
    var random = SplitMix(state: seed)
    let sizes = [0, 1, 65_535, 65_536, 65_537, 131_072, 300_000]
    let messages = (0..<6).map { number in
      [UInt8](repeating: UInt8(number), count: sizes.randomElement(using: &random) ?? 0)
    }
    var rest = messages.flatMap { framed($0) }[...]
    var chunks: [[UInt8]] = []
    while !rest.isEmpty {
      chunks.append(Array(rest.prefix(Int.random(in: 1...40_000, using: &random))))
      rest = rest.dropFirst(chunks.last?.count ?? 0)
    }
    #expect(try collect(chunks, limit: 300_000).map(\.bytes) == messages, "seed \(seed)")
  }

  @Test func theLimitIsJudgedAtThePrefix() {
    var deframer = MessageDeframer(maximumBytes: 10)
    let fault = #expect(throws: WireFault.self) {
      try deframer.feed(MessageFraming.prefix(flags: 0, length: 11)) { _ in }
    }
    #expect(fault?.code == .resourceExhausted)
    #expect(deframer.pendingCount == 0)
  }

  @Test func theLimitItselfIsAllowed() throws {
    #expect(try collect([framed(Array(repeating: 1, count: 10))], limit: 10).count == 1)
  }

  @Test func aClaimReservesNothing() throws {
    var deframer = MessageDeframer(maximumBytes: 1 << 30)
    try deframer.feed(MessageFraming.prefix(flags: 0, length: 1 << 29)) { _ in }
    #expect(deframer.pendingCount == 5)
  }

  @Test func undefinedFlagsAreRefused() {
    let fault = #expect(throws: WireFault.self) { try collect([framed([], flags: 2)]) }
    #expect(fault?.code == .internal)
  }

  @Test func theEndInsideAMessageIsAFault() {
    let fault = #expect(throws: WireFault.self) { try collect([[0, 0, 0, 0, 5, 1]]) }
    #expect(fault?.code == .internal)
  }
}

/// A small generator that a printed seed replays.
struct SplitMix: RandomNumberGenerator {
  var state: UInt64

  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var word = state
    word = (word ^ (word >> 30)) &* 0xBF58_476D_1CE4_E5B9
    word = (word ^ (word >> 27)) &* 0x94D0_49BB_1331_11EB
    return word ^ (word >> 31)
  }
}
