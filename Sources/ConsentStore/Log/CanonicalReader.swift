internal import ConsentCore

/// Reads what `CanonicalBytes` wrote, and nothing else: every value has one form only. Never traps.
struct CanonicalReader {
  /// The bytes are not a form that was written.
  struct Malformed: Error {}

  private let bytes: ArraySlice<UInt8>
  private var position: Int

  init(_ bytes: ArraySlice<UInt8>) {
    self.bytes = bytes
    position = bytes.startIndex
  }

  var isAtEnd: Bool { position == bytes.endIndex }
  private var left: Int { bytes.endIndex - position }

  mutating func raw(_ count: Int) throws(Malformed) -> ArraySlice<UInt8> {
    guard count >= 0, count <= left else { throw Malformed() }
    defer { position += count }
    return bytes[position..<position + count]
  }

  mutating func byte() throws(Malformed) -> UInt8 {
    guard position < bytes.endIndex else { throw Malformed() }
    defer { position += 1 }
    return bytes[position]
  }

  mutating func integer<Value: FixedWidthInteger>(
    _ type: Value.Type = Value.self
  ) throws(Malformed) -> Value {
    try raw(Value.bitWidth / 8).reduce(0) { $0 << 8 | Value(truncatingIfNeeded: $1) }
  }

  mutating func id<Subject>() throws(Malformed) -> ID<Subject> {
    ID(high: try integer(), low: try integer())
  }

  mutating func instant() throws(Malformed) -> Instant { Instant(microseconds: try integer()) }

  mutating func varint() throws(Malformed) -> UInt64 {
    var value: UInt64 = 0
    for shift in stride(from: UInt64(0), through: 63, by: 7) {
      let byte = try byte()
      guard shift < 63 || byte <= 1 else { throw Malformed() }
      value |= UInt64(byte & 0x7F) << shift
      if byte & 0x80 == 0 {
        // The shortest form only.
        guard byte > 0 || shift == 0 else { throw Malformed() }
        return value
      }
    }
    throw Malformed()
  }

  mutating func number() throws(Malformed) -> Int {
    let value = try varint()
    return Int(truncatingIfNeeded: value >> 1) ^ -Int(truncatingIfNeeded: value & 1)
  }

  /// How many elements follow, each of at least one byte: so no count asks for more memory than
  /// the record itself has.
  mutating func count() throws(Malformed) -> Int {
    guard let count = Int(exactly: try varint()), count <= left else { throw Malformed() }
    return count
  }

  mutating func text() throws(Malformed) -> String { try text(count()) }

  mutating func optionalText() throws(Malformed) -> String? {
    let value = try varint()
    guard value > 0 else { return nil }
    guard let count = Int(exactly: value - 1) else { throw Malformed() }
    return try text(count)
  }

  private mutating func text(_ count: Int) throws(Malformed) -> String {
    guard let text = String(validating: try raw(count), as: UTF8.self) else { throw Malformed() }
    return text
  }

  mutating func flag() throws(Malformed) -> Bool {
    switch try byte() {
    case 0: false
    case 1: true
    default: throw Malformed()
    }
  }

  mutating func word<Word: RawRepresentable>(
    _ type: Word.Type = Word.self
  ) throws(Malformed) -> Word where Word.RawValue: FixedWidthInteger {
    guard let word = Word(rawValue: try integer()) else { throw Malformed() }
    return word
  }

  /// 0 for none: no word has the number 0.
  mutating func optionalWord<Word: RawRepresentable<UInt8>>(
    _ type: Word.Type = Word.self
  ) throws(Malformed) -> Word? {
    let code = try byte()
    guard code > 0 else { return nil }
    guard let word = Word(rawValue: code) else { throw Malformed() }
    return word
  }

  mutating func set<Element>(
    _ type: Element.Type = Element.self
  ) throws(Malformed) -> ClosedSet<Element> {
    let set = ClosedSet<Element>(bits: try integer())
    guard set.isSubset(of: .all) else { throw Malformed() }
    return set
  }

  mutating func list<Element>(
    _ element: (inout CanonicalReader) throws(Malformed) -> Element
  ) throws(Malformed) -> [Element] {
    let count = try count()
    var list: [Element] = []
    list.reserveCapacity(count)
    for _ in 0..<count { list.append(try element(&self)) }
    return list
  }

  mutating func optional<Value>(
    _ value: (inout CanonicalReader) throws(Malformed) -> Value
  ) throws(Malformed) -> Value? {
    try flag() ? try value(&self) : nil
  }
}
