/// Byte-wise text helpers: header names and values are compared without ever becoming a String.
public enum ASCII {
  @inlinable
  public static func lowercased(_ byte: UInt8) -> UInt8 {
    byte >= 0x41 && byte <= 0x5A ? byte | 0x20 : byte
  }

  public static func lowercased(_ bytes: [UInt8]) -> [UInt8] { bytes.map(lowercased(_:)) }

  @inlinable
  public static func equals(
    _ bytes: some RandomAccessCollection<UInt8>, _ text: StaticString
  ) -> Bool {
    guard bytes.count == text.utf8CodeUnitCount else { return false }
    return text.withUTF8Buffer { unsafe bytes.elementsEqual($0) }
  }

  /// Compares without regard to the case of the letters; `text` must be lower case.
  @inlinable
  public static func equalsIgnoringCase(
    _ bytes: some RandomAccessCollection<UInt8>, _ text: StaticString
  ) -> Bool {
    guard bytes.count == text.utf8CodeUnitCount else { return false }
    return text.withUTF8Buffer { wanted in
      unsafe bytes.elementsEqual(wanted) { lowercased($0) == $1 }
    }
  }

  @inlinable
  public static func startsIgnoringCase(
    _ bytes: some RandomAccessCollection<UInt8>, with text: StaticString
  ) -> Bool {
    guard bytes.count >= text.utf8CodeUnitCount else { return false }
    return equalsIgnoringCase(bytes.prefix(text.utf8CodeUnitCount), text)
  }

  /// Reads up to `maximumDigits` decimal digits and nothing else.
  public static func decimal(
    _ bytes: some Collection<UInt8>, maximumDigits: Int
  ) -> UInt64? {
    guard !bytes.isEmpty, bytes.count <= min(maximumDigits, 19) else { return nil }
    var value: UInt64 = 0
    for byte in bytes {
      guard byte >= 0x30, byte <= 0x39 else { return nil }
      value = value &* 10 &+ UInt64(byte &- 0x30)
    }
    return value
  }

  /// Drops spaces and tabs at both ends.
  public static func trimmed(_ bytes: ArraySlice<UInt8>) -> ArraySlice<UInt8> {
    var slice = bytes
    while let first = slice.first, first == 0x20 || first == 0x09 { slice.removeFirst() }
    while let last = slice.last, last == 0x20 || last == 0x09 { slice.removeLast() }
    return slice
  }
}
