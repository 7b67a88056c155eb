/// Bytes in network order, the form in which PostgreSQL takes binary values.
///
/// One buffer holds all parameters of a statement (or many rows of a COPY), so that encoding a value
/// costs no allocation of its own.
public struct PostgresBuffer: Sendable {
  public private(set) var bytes: [UInt8] = []

  public init() {}

  public init(reservingCapacity capacity: Int) { bytes.reserveCapacity(capacity) }

  public var count: Int { bytes.count }

  /// Appends the big-endian bytes of `value`.
  public mutating func append<Value: FixedWidthInteger & BitwiseCopyable>(integer value: Value) {
    unsafe withUnsafeBytes(of: value.bigEndian) { unsafe bytes.append(contentsOf: $0) }
  }

  public mutating func append(bytes source: some Sequence<UInt8>) {
    bytes.append(contentsOf: source)
  }

  /// Appends the bytes that a span points at, without an array in between.
  public mutating func append(span: RawSpan) {
    unsafe span.withUnsafeBytes { unsafe bytes.append(contentsOf: $0) }
  }

  public mutating func removeAll() { bytes.removeAll(keepingCapacity: true) }

  /// Writes over four bytes that were appended earlier, for a length known only afterwards.
  /// - Precondition: `offset + 4 <= count`.
  mutating func overwrite(int32 value: Int32, at offset: Int) {
    for index in 0..<4 {
      bytes[offset + index] = UInt8(truncatingIfNeeded: value >> Int32(24 - 8 * index))
    }
  }
}

extension RawSpan {
  /// The big-endian integer at `offset`, which moves behind it; `nil` when too few bytes are left,
  /// because bytes from the server are not ours to trust.
  func integer<Value: FixedWidthInteger & BitwiseCopyable>(
    _ type: Value.Type = Value.self, at offset: inout Int
  ) -> Value? {
    let size = MemoryLayout<Value>.size
    guard offset >= 0, byteCount - offset >= size else { return nil }
    let value = unsafe unsafeLoadUnaligned(fromByteOffset: offset, as: Value.self)
    offset += size
    return Value(bigEndian: value)
  }

  /// The big-endian integer that fills the span exactly, otherwise `nil`.
  func exactInteger<Value: FixedWidthInteger & BitwiseCopyable>(
    _ type: Value.Type = Value.self
  ) -> Value? {
    guard byteCount == MemoryLayout<Value>.size else { return nil }
    return Value(bigEndian: unsafe unsafeLoadUnaligned(as: Value.self))
  }

  func copyBytes() -> [UInt8] {
    unsafe withUnsafeBytes { unsafe [UInt8]($0) }
  }
}
