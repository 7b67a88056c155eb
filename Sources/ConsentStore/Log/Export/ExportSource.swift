internal import ConsentCore

/// Bytes of an export as they are asked for, read in large pieces.
struct ExportSource {
  private let next: () throws -> [UInt8]
  private var buffer: [UInt8] = []
  private var position = 0
  private var isAtEnd = false
  /// Of the next byte, in the file.
  private(set) var offset: UInt64 = 0

  /// - Parameter next: the next piece of the file; empty at its end.
  init(_ next: @escaping () throws -> [UInt8]) { self.next = next }

  /// A frame longer than this is none of ours.
  static let longest = 1 << 28

  /// - Returns: `nil` at the end of the file.
  mutating func take(_ count: Int) throws -> ArraySlice<UInt8>? {
    guard count >= 0, count <= Self.longest else { return nil }
    while buffer.count - position < count, !isAtEnd {
      let piece = try next()
      isAtEnd = piece.isEmpty
      buffer.removeFirst(position)
      position = 0
      buffer += piece
    }
    guard buffer.count - position >= count else { return nil }
    defer {
      position += count
      offset += UInt64(count)
    }
    return buffer[position..<position + count]
  }

  mutating func integer<Value: FixedWidthInteger>(_ type: Value.Type) throws -> Value? {
    try take(Value.bitWidth / 8)?.reduce(0) { $0 << 8 | Value(truncatingIfNeeded: $1) }
  }

  mutating func id<Subject>(_ type: ID<Subject>.Type) throws -> ID<Subject>? {
    guard let high = try integer(UInt64.self), let low = try integer(UInt64.self) else {
      return nil
    }
    return ID(high: high, low: low)
  }

  mutating func shortText() throws -> String? {
    guard let count = try integer(UInt16.self), let bytes = try take(Int(count)) else { return nil }
    return String(validating: bytes, as: UTF8.self)
  }

  /// Whether nothing follows.
  mutating func isComplete() throws -> Bool { try take(1) == nil }
}
