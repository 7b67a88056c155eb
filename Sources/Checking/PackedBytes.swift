internal import ConsentCore

/// Writes facts as few bytes: integers by seven bits a byte, the lowest first (LEB128).
struct PackedBytes {
  private(set) var bytes: [UInt8] = []

  mutating func append(byte: UInt8) { bytes.append(byte) }

  mutating func append(raw pieces: [ArraySlice<UInt8>]) {
    for piece in pieces { bytes.append(contentsOf: piece) }
  }

  mutating func append(_ value: UInt64) {
    var rest = value
    while rest > 0x7F {
      bytes.append(UInt8(truncatingIfNeeded: rest) | 0x80)
      rest >>= 7
    }
    bytes.append(UInt8(truncatingIfNeeded: rest))
  }

  mutating func append(count: Int) { append(UInt64(count)) }

  /// Zigzag: small numbers of either sign are short.
  mutating func append(signed value: Int64) {
    append(UInt64(bitPattern: value << 1 ^ value >> 63))
  }

  mutating func append<Subject>(_ id: ID<Subject>) {
    for word in [id.high, id.low] {
      for shift in stride(from: UInt64(56), through: 0, by: -8) {
        bytes.append(UInt8(truncatingIfNeeded: word >> shift))
      }
    }
  }

  /// Whole minutes, as most ends of days are, take half the bytes.
  mutating func append(_ instant: Instant) {
    let (minutes, rest) = instant.microseconds.quotientAndRemainder(
      dividingBy: .microsecondsPerMinute)
    if rest == 0 {
      append(byte: 0)
      append(signed: minutes)
    } else {
      append(byte: 1)
      append(signed: instant.microseconds)
    }
  }

  mutating func append(_ instant: Instant?) {
    if let instant { append(instant) } else { append(byte: 2) }
  }

  mutating func append(_ day: LocalDay) { append(signed: Int64(day.daysSince1970)) }

  mutating func append(_ day: LocalDay?) {
    append(byte: day == nil ? 0 : 1)
    if let day { append(day) }
  }

  mutating func append(_ text: String) {
    append(count: text.utf8.count)
    bytes.append(contentsOf: text.utf8)
  }

  mutating func append(_ time: SignedTime) {
    append(time.day)
    append(time.instant)
  }
}

/// Reads what `PackedBytes` wrote. It never traps: what does not read is `isMalformed`.
struct PackedReader {
  private let bytes: [UInt8]
  private var position = 0
  private(set) var isMalformed = false

  init(_ bytes: [UInt8]) { self.bytes = bytes }

  var isAtEnd: Bool { isMalformed || position == bytes.count }

  mutating func fail() { isMalformed = true }

  mutating func byte() -> UInt8 {
    guard position < bytes.count else {
      fail()
      return 0
    }
    defer { position += 1 }
    return bytes[position]
  }

  mutating func value() -> UInt64 {
    var value: UInt64 = 0
    for shift in stride(from: UInt64(0), through: 63, by: 7) {
      let byte = byte()
      value |= UInt64(byte & 0x7F) << shift
      if byte & 0x80 == 0 { return value }
    }
    fail()
    return 0
  }

  /// Of things that take a byte or more each, so that no count asks for more memory than is there.
  mutating func count() -> Int {
    guard let count = Int(exactly: value()), count <= bytes.count - position else {
      fail()
      return 0
    }
    return count
  }

  mutating func signed() -> Int64 {
    let value = value()
    return Int64(bitPattern: value >> 1) ^ -Int64(bitPattern: value & 1)
  }

  private mutating func word() -> UInt64 {
    guard bytes.count - position >= 8 else {
      fail()
      return 0
    }
    var word: UInt64 = 0
    for offset in 0..<8 { word = word << 8 | UInt64(bytes[position + offset]) }
    position += 8
    return word
  }

  mutating func id<Subject>() -> ID<Subject> {
    let high = word()
    return ID(high: high, low: word())
  }

  mutating func instant() -> Instant { optionalInstant() ?? .distantPast }

  mutating func optionalInstant() -> Instant? {
    switch byte() {
    case 0:
      let (value, overflow) = signed().multipliedReportingOverflow(by: .microsecondsPerMinute)
      if overflow { fail() }
      return Instant(microseconds: value)
    case 1: return Instant(microseconds: signed())
    case 2: return nil
    default:
      fail()
      return nil
    }
  }

  mutating func day() -> LocalDay {
    LocalDay(daysSince1970: Int32(truncatingIfNeeded: signed()))
  }

  mutating func optionalDay() -> LocalDay? { byte() == 0 ? nil : day() }

  mutating func text() -> String {
    let count = count()
    guard !isMalformed else { return "" }
    defer { position += count }
    return String(decoding: bytes[position..<position + count], as: UTF8.self)
  }

  mutating func signedTime() -> SignedTime {
    let day = day()
    return SignedTime(day: day, instant: optionalInstant())
  }
}
