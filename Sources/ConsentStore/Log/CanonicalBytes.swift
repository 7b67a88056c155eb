internal import ConsentCore

/// Builds the one byte form of a value that is hashed: integers big-endian, text and lists with
/// their count in front, so that no two values share a form.
///
/// The feed's rows have 32-bit counts; log records, of which there are many more, have variable
/// ones (`varint`), each with its shortest form only.
struct CanonicalBytes {
  private(set) var bytes: [UInt8] = []
  /// Where the pieces of records begin that often are as in the record before (`DeltaForm`).
  private(set) var marks: [Int] = []

  init(reserving count: Int = 0) { bytes.reserveCapacity(count) }

  mutating func append(_ value: some FixedWidthInteger) {
    unsafe withUnsafeBytes(of: value.bigEndian) { unsafe bytes.append(contentsOf: $0) }
  }

  mutating func append<Subject>(_ id: ID<Subject>) {
    append(id.high)
    append(id.low)
  }

  mutating func append(text: String) {
    append(UInt32(truncatingIfNeeded: text.utf8.count))
    bytes.append(contentsOf: text.utf8)
  }

  mutating func append(count: Int) { append(UInt32(truncatingIfNeeded: count)) }

  /// Begins anew, in the memory it has.
  mutating func removeAll() {
    bytes.removeAll(keepingCapacity: true)
    marks.removeAll(keepingCapacity: true)
  }

  /// A piece begins here. It is no part of the form.
  mutating func mark() { marks.append(bytes.count) }

  mutating func append(raw: [UInt8]) { bytes.append(contentsOf: raw) }
  mutating func append(raw: ArraySlice<UInt8>) { bytes.append(contentsOf: raw) }

  mutating func append(byte: UInt8) { bytes.append(byte) }

  /// Writes over four bytes that were appended before.
  mutating func overwrite(_ value: UInt32, at start: Int) {
    for offset in 0..<4 {
      bytes[start + offset] = UInt8(truncatingIfNeeded: value >> UInt32(24 - 8 * offset))
    }
  }

  /// Seven bits a byte, the lowest first, the high bit of all but the last set (LEB128).
  mutating func append(varint value: UInt64) {
    var rest = value
    while rest > 0x7F {
      bytes.append(UInt8(truncatingIfNeeded: rest) | 0x80)
      rest >>= 7
    }
    bytes.append(UInt8(truncatingIfNeeded: rest))
  }

  /// Zigzag: small numbers of either sign are short.
  mutating func append(number value: Int) {
    append(varint: UInt64(bitPattern: Int64(value << 1 ^ value >> (Int.bitWidth - 1))))
  }

  mutating func append(varCount count: Int) { append(varint: UInt64(count)) }

  mutating func append(varText text: String) {
    append(varCount: text.utf8.count)
    bytes.append(contentsOf: text.utf8)
  }

  /// 0 for none, else the length and one.
  mutating func append(optionalText text: String?) {
    guard let text else { return bytes.append(0) }
    append(varint: UInt64(text.utf8.count) + 1)
    bytes.append(contentsOf: text.utf8)
  }
}
