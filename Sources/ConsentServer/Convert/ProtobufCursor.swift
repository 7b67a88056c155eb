/// Said of bytes that the short way does not know. It does not mean that they are wrong.
struct Unfamiliar: Error {}

/// Walks over a protobuf message where it lies, field by field, for readers of a few well-known
/// messages.
///
/// It knows what every writer writes: fields 1 to 15, none twice, lengths below 16 KiB, no empty
/// value. All else is `Unfamiliar`, and left to SwiftProtobuf: what merging, skipping and defaults
/// mean (https://protobuf.dev/programming-guides/encoding) is written down in one place only.
struct ProtobufCursor {
  private let bytes: [UInt8]
  private var position = 0
  private var end: Int
  /// A bit for each field met in this message.
  private var met: UInt16 = 0
  private let deviation: Deviation?

  /// Ways to get it wrong, each of which a test must notice.
  enum Deviation: CaseIterable {
    case takesFieldsTwice, takesControls, takesLongText, takesBrokenText
  }

  init(_ bytes: [UInt8], deviation: Deviation? = nil) {
    self.bytes = bytes
    end = bytes.count
    self.deviation = deviation
  }

  /// The number and form of the next field; `nil` at the end of the message.
  ///
  /// - Parameter repeated: a tag that may come again.
  mutating func next(repeated: UInt8 = 0) throws(Unfamiliar) -> UInt8? {
    guard position < end else { return nil }
    let tag = bytes[position]
    position += 1
    let bit = UInt16(1) << (tag >> 3)
    guard tag < 0x80, met & bit == 0 || tag == repeated || deviation == .takesFieldsTwice
    else { throw Unfamiliar() }
    met |= bit
    return tag
  }

  /// A number from 1 to 127, as all words of closed lists are.
  mutating func word() throws(Unfamiliar) -> UInt8 {
    guard position < end else { throw Unfamiliar() }
    let byte = bytes[position]
    position += 1
    guard byte > 0, byte < 0x80 else { throw Unfamiliar() }
    return byte
  }

  /// A number above 0 of at most 63 bits.
  mutating func number() throws(Unfamiliar) -> UInt64 {
    var number: UInt64 = 0
    for shift in stride(from: UInt64(0), to: 63, by: 7) {
      guard position < end else { throw Unfamiliar() }
      let byte = bytes[position]
      position += 1
      number |= UInt64(byte & 0x7F) << shift
      guard byte >= 0x80 else {
        guard number > 0 else { throw Unfamiliar() }
        return number
      }
    }
    throw Unfamiliar()
  }

  /// Where the value lies that begins here with its length.
  private mutating func value() throws(Unfamiliar) -> Range<Int> {
    guard position < end else { throw Unfamiliar() }
    var count = Int(bytes[position])
    position += 1
    if count >= 0x80 {
      guard position < end, bytes[position] < 0x80 else { throw Unfamiliar() }
      count = count & 0x7F | Int(bytes[position]) << 7
      position += 1
    }
    guard count > 0, count <= end - position else { throw Unfamiliar() }
    defer { position += count }
    return position..<(position + count)
  }

  /// A message: `body` reads it until `next` says that it ends.
  mutating func message<Value>(
    _ body: (inout ProtobufCursor) throws(Unfamiliar) -> Value
  ) throws(Unfamiliar) -> Value {
    let place = try value()
    let (outerEnd, outerMet) = (end, met)
    (position, end, met) = (place.lowerBound, place.upperBound, 0)
    let read = try body(&self)
    guard position == end else { throw Unfamiliar() }
    (end, met) = (outerEnd, outerMet)
    return read
  }

  /// A value of exactly so many bytes.
  mutating func bytes(_ count: Int) throws(Unfamiliar) -> [UInt8] {
    let place = try value()
    guard place.count == count else { throw Unfamiliar() }
    return Array(bytes[place])
  }

  /// A line of text that `RequestReader.text` takes as it is.
  mutating func line() throws(Unfamiliar) -> String {
    let place = try value()
    guard place.count <= TextLimit.name.rawValue || deviation == .takesLongText
    else { throw Unfamiliar() }
    var previous: UInt8 = 0
    var isASCII = true
    for byte in bytes[place] {
      var isControl = byte < 0x20 || byte == 0x7F
      if byte >= 0x80 {
        isASCII = false
        isControl = previous == 0xC2 && byte < 0xA0
      }
      if isControl, deviation != .takesControls { throw Unfamiliar() }
      previous = byte
    }
    if isASCII || deviation == .takesBrokenText {
      return String(decoding: bytes[place], as: UTF8.self)
    }
    guard let text = String(validating: bytes[place], as: UTF8.self) else { throw Unfamiliar() }
    return text
  }
}
