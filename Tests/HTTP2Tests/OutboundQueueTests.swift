import Testing

@testable import HTTP2

@Suite struct OutboundQueueTests {
  /// Sizes around those at which pieces are gathered, kept and closed.
  private static let sizes = [0, 1, 5, 4_000, 16_383, 16_384, 16_385, 65_531, 65_536, 200_000]

  @Test(arguments: 0..<40 as Range<UInt64>)
  func whatIsQueuedComesOutInOrder(seed: UInt64) {
    var random = Seeded(state: seed)
    var queue = OutboundQueue()
    var expected: [UInt8] = []
    var sent: [UInt8] = []
    for number in 0..<60 {
      if Bool.random(using: &random) {
        let size = Self.sizes.randomElement(using: &random) ?? 0
        let bytes = [UInt8](repeating: UInt8(number), count: size)
        if Bool.random(using: &random) {
          queue.append(bytes)
        } else {
          queue.append(flags: 1, message: bytes)
          expected += [1] + (0..<4).map { UInt8(truncatingIfNeeded: size >> (24 - 8 * $0)) }
        }
        expected += bytes
      } else {
        sent += move(&queue, limit: Int.random(in: 0...70_000, using: &random))
      }
      #expect(queue.count == expected.count - sent.count, "seed \(seed)")
    }
    sent += move(&queue, limit: .max)
    #expect(sent == expected, "seed \(seed)")
    #expect(queue.count == 0)
  }

  @Test func anEmptiedQueueHasNothing() {
    var queue = OutboundQueue()
    queue.append([1, 2, 3])
    queue.append(flags: 0, message: .init(repeating: 9, count: 100_000))
    queue.empty()
    #expect(queue.count == 0)
    #expect(move(&queue, limit: 10).isEmpty)
    queue.append([4])
    #expect(move(&queue, limit: 10) == [4])
  }

  private func move(_ queue: inout OutboundQueue, limit: Int) -> [UInt8] {
    let limit = min(limit, queue.count)
    return [UInt8](unsafeUninitializedCapacity: limit) { space, count in
      if let start = space.baseAddress { count = queue.move(to: start, limit: limit) }
    }
  }
}

/// A small generator that a printed seed replays.
struct Seeded: RandomNumberGenerator {
  var state: UInt64

  mutating func next() -> UInt64 {
    state &+= 0x9e37_79b9_7f4a_7c15
    var mixed = state
    mixed = (mixed ^ (mixed >> 30)) &* 0xbf58_476d_1ce4_e5b9
    mixed = (mixed ^ (mixed >> 27)) &* 0x94d0_49bb_1331_11eb
    return mixed ^ (mixed >> 31)
  }
}
