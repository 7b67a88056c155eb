internal import ConsentCore

/// Builds the one byte form of a value that is hashed: integers big-endian, text and lists with a
/// 32-bit count in front, so that no two values share a form.
struct CanonicalBytes {
  private(set) var bytes: [UInt8] = []

  mutating func append(_ value: some FixedWidthInteger) {
    var shift = value.bitWidth
    while shift > 0 {
      shift -= 8
      bytes.append(UInt8(truncatingIfNeeded: value >> shift))
    }
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

  mutating func append(raw: [UInt8]) { bytes.append(contentsOf: raw) }
}
