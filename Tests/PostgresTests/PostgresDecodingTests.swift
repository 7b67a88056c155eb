import Testing

@testable import Postgres

/// Bytes that no honest server sends.
@Suite struct PostgresDecodingTests {
  private func array(_ words: [Int32], _ rest: [UInt8] = []) -> [UInt8] {
    var buffer = PostgresBuffer()
    for word in words { buffer.append(integer: word) }
    buffer.append(bytes: rest)
    return buffer.bytes
  }

  private func decode<Value: PostgresDecodable>(
    _ bytes: [UInt8], _ type: PostgresType?, as: Value.Type
  ) throws(PostgresDecodingProblem) -> Value {
    try Value.decode(bytes.span.bytes, type: type)
  }

  @Test(arguments: [
    [], [1], [2, 0, 23, 1, 1, 4, 9], [-1, 0, 23, 1, 1, 4, 9], [1, 2, 23, 1, 1, 4, 9],
    [1, 0, 23, -1, 1, 4, 9], [1, 0, 23, 2, 1, 4, 9], [1, 0, 23, 1, 1, 4], [1, 0, 23, 1, 1, 5, 9],
    [1, 0, 23, 1, 1, -2, 9], [1, 0, 23, 1, 1, 4, 9, 9], [0, 0, 23, 7],
    [1, 0, 23, Int32.max, 1, 4, 9], [1, 0, 23, 1, 1, Int32.max, 9],
  ])
  func aMalformedArrayIsAnError(_ words: [Int32]) {
    #expect(throws: PostgresDecodingProblem.malformed) {
      try decode(array(words), .int4Array, as: [Int32].self)
    }
  }

  @Test func theElementTypeMustBeTheOneAskedFor() {
    #expect(throws: PostgresDecodingProblem.typeMismatch(expected: .int4, found: .int8)) {
      try decode(array([0, 0, 20]), .int4Array, as: [Int32].self)
    }
    #expect(throws: PostgresDecodingProblem.typeMismatch(expected: .int4Array, found: .int8)) {
      try decode(array([0, 0, 23]), .int8, as: [Int32].self)
    }
  }

  @Test func valuesOfTheWrongLengthAreErrors() {
    for count in [0, 1, 3, 5, 7, 9, 15, 17] {
      let bytes = [UInt8](repeating: 2, count: count)
      #expect(throws: PostgresDecodingProblem.malformed) { try decode(bytes, nil, as: Bool.self) }
      #expect(throws: PostgresDecodingProblem.malformed) { try decode(bytes, nil, as: Int16.self) }
      #expect(throws: PostgresDecodingProblem.malformed) { try decode(bytes, nil, as: Int32.self) }
      #expect(throws: PostgresDecodingProblem.malformed) { try decode(bytes, nil, as: Int64.self) }
      #expect(throws: PostgresDecodingProblem.malformed) { try decode(bytes, nil, as: Double.self) }
      #expect(throws: PostgresDecodingProblem.malformed) {
        try decode(bytes, nil, as: PostgresUUID.self)
      }
      #expect(throws: PostgresDecodingProblem.malformed) {
        try decode(bytes, nil, as: PostgresTimestamp.self)
      }
      #expect(throws: PostgresDecodingProblem.malformed) {
        try decode(bytes, nil, as: PostgresDate.self)
      }
    }
    #expect(throws: PostgresDecodingProblem.malformed) { try decode([0xC3], nil, as: String.self) }
    #expect(throws: PostgresDecodingProblem.malformed) {
      try decode([2, 0x7B, 0x7D], nil, as: PostgresJSON.self)
    }
    #expect(throws: PostgresDecodingProblem.malformed) {
      try decode([], nil, as: PostgresJSON.self)
    }
  }

  @Test func noBytesWhateverStopTheProgram() throws {
    var random = SeededRandom(seed: UInt64.random(in: 0...(.max)))
    let seed = random.seed
    for _ in 0..<20_000 {
      var bytes = (0..<Int.random(in: 0...40, using: &random)).map { _ in
        UInt8.random(in: 0...3, using: &random)
      }
      if Bool.random(using: &random), bytes.count >= 12 {
        // A plausible header leads further in.
        bytes.replaceSubrange(0..<12, with: [0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 23])
      }
      let numbers = try? decode(bytes, .int4Array, as: [Int32?].self)
      let count = numbers?.count ?? 0
      #expect(count * 4 <= bytes.count, "seed \(seed)")
      _ = try? decode(bytes, .byteaArray, as: [[UInt8]].self)
      _ = try? decode(bytes, nil, as: String.self)
      _ = try? decode(bytes, nil, as: PostgresJSON.self)
    }
  }

  @Test func anyStretchesOfCopyDataGiveTheSameRows() throws {
    var buffer = PostgresBuffer()
    buffer.append(bytes: CopyFormat.signature)
    for word in [Int32(0), 0] { buffer.append(integer: word) }
    for number in 0..<Int32(5) {
      buffer.append(integer: Int16(2))
      buffer.append(integer: Int32(4))
      buffer.append(integer: number)
      buffer.append(integer: Int32(-1))
    }
    buffer.append(integer: Int16(-1))
    for size in 1...buffer.count {
      var parser = CopyParser()
      var numbers: [Int32] = []
      for start in stride(from: 0, to: buffer.count, by: size) {
        let chunk = Array(buffer.bytes[start..<min(start + size, buffer.count)])
        parser.append(chunk.span.bytes)
        while let row = try parser.next() {
          numbers.append(try row.get(0))
          #expect(try row.get(1, as: Int32?.self) == nil)
          #expect(row.columnCount == 2)
        }
      }
      #expect(numbers == [0, 1, 2, 3, 4])
      #expect(parser.isAtEnd)
    }
  }

  @Test func falseCopyDataAreErrors() {
    let header = CopyFormat.signature + [0, 0, 0, 0, 0, 0, 0, 0]
    let cases: [[UInt8]] = [
      Array("PGCOPY\n\u{FF}\r\n\0".utf8) + [0, 0, 0, 0, 0, 0, 0, 0],
      CopyFormat.signature + [0, 1, 0, 0, 0, 0, 0, 0],
      CopyFormat.signature + [0, 0, 0, 0, 0xFF, 0, 0, 0],
      header + [0xFF, 0xFE], header + [0, 1, 0xFF, 0xFF, 0xFF, 0xFE], header + [0xFF, 0xFF, 0],
    ]
    for bytes in cases {
      #expect(throws: CopyParser.Malformed.self) {
        var parser = CopyParser()
        parser.append(bytes.span.bytes)
        while try parser.next() != nil {}
      }
    }
  }
}

/// SplitMix64: the same numbers for the same seed.
struct SeededRandom: RandomNumberGenerator {
  let seed: UInt64
  private var state: UInt64

  init(seed: UInt64) {
    self.seed = seed
    state = seed
  }

  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var mixed = state
    mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
    mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
    return mixed ^ (mixed >> 31)
  }
}
