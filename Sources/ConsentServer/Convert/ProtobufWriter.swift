/// Writes a protobuf message from its end to its beginning: the length of a part is known when it is
/// to be written, so that nothing is measured first and nothing moved afterwards.
///
/// So fields are put in the order of falling numbers, and what they hold before their heads.
struct ProtobufWriter {
  private var bytes: [UInt8]
  /// What is written begins here.
  private var start: Int

  init(capacity: Int) {
    bytes = [UInt8](repeating: 0, count: max(capacity, 16))
    start = bytes.count
  }

  /// How many bytes are written.
  var count: Int { bytes.count - start }

  var message: [UInt8] { Array(bytes[start...]) }

  // MARK: Fields

  /// A number; 0 is the default, which is not written.
  mutating func put(_ field: UInt8, _ number: UInt64) {
    guard number != 0 else { return }
    varint(number)
    byte(field << 3)
  }

  /// Text with its head; empty text is not written.
  mutating func put(_ field: UInt8, _ text: String) {
    guard !text.isEmpty else { return }
    end(field, after: write(text))
  }

  mutating func put(_ field: UInt8, _ value: [UInt8]) {
    guard !value.isEmpty else { return }
    write(value)
    end(field, after: value.count)
  }

  /// A message, which is written also where it is empty.
  mutating func put(_ field: UInt8, _ body: (inout ProtobufWriter) -> Void) {
    let before = count
    body(&self)
    end(field, after: count - before)
  }

  /// The same for one already written.
  mutating func put(_ field: UInt8, message: [UInt8]) {
    write(message)
    end(field, after: message.count)
  }

  // MARK: What stands in a field

  /// The head of a value of so many bytes.
  mutating func end(_ field: UInt8, after count: Int) {
    varint(UInt64(count))
    byte(field << 3 | 2)
  }

  mutating func varint(_ number: UInt64) {
    guard number >= 0x80 else { return byte(UInt8(truncatingIfNeeded: number)) }
    let count = (70 - number.leadingZeroBitCount) / 7
    makeRoom(count)
    start -= count
    var rest = number
    for index in 0..<count {
      bytes[start + index] = UInt8(truncatingIfNeeded: rest & 0x7F) | (index < count - 1 ? 0x80 : 0)
      rest >>= 7
    }
  }

  mutating func byte(_ byte: UInt8) {
    makeRoom(1)
    start -= 1
    bytes[start] = byte
  }

  /// - Returns: how many bytes of UTF-8.
  @discardableResult
  mutating func write(_ text: String) -> Int {
    var text = text
    return text.withUTF8 { utf8 in
      unsafe write(UnsafeRawBufferPointer(utf8))
      return utf8.count
    }
  }

  mutating func write(_ value: [UInt8]) {
    unsafe value.withUnsafeBytes { unsafe write($0) }
  }

  private mutating func write(_ value: UnsafeRawBufferPointer) {
    makeRoom(value.count)
    start -= value.count
    // INVARIANT: `makeRoom` left as many bytes before `start`.
    let place = start..<(start + value.count)
    unsafe bytes.withUnsafeMutableBytes { all in
      unsafe UnsafeMutableRawBufferPointer(rebasing: all[place]).copyMemory(from: value)
    }
  }

  /// Decimal digits.
  mutating func write(decimal number: UInt64) {
    var rest = number
    repeat {
      byte(UInt8(ascii: "0") + UInt8(truncatingIfNeeded: rest % 10))
      rest /= 10
    } while rest > 0
  }

  /// The 36 characters of a UUID in lower case.
  mutating func write(uuid high: UInt64, _ low: UInt64) {
    makeRoom(36)
    var (rest, index) = (low, start)
    for nibble in 0..<32 {
      if nibble == 16 { rest = high }
      if nibble == 12 || nibble == 16 || nibble == 20 || nibble == 24 {
        index -= 1
        bytes[index] = UInt8(ascii: "-")
      }
      let digit = UInt8(truncatingIfNeeded: rest & 15)
      rest >>= 4
      index -= 1
      bytes[index] = digit < 10 ? UInt8(ascii: "0") + digit : UInt8(ascii: "a") + digit - 10
    }
    start = index
  }

  /// Sees to it that so many bytes fit in front.
  private mutating func makeRoom(_ count: Int) {
    guard start < count else { return }
    let more = max(bytes.count, count)
    bytes.insert(contentsOf: repeatElement(0, count: more), at: 0)
    start += more
  }
}
