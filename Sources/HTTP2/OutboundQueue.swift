/// Bytes that wait to be sent on a stream, in pieces: short ones are gathered, long ones kept as they
/// came. Queueing and sending a megabyte therefore copies it once, into frames, and only as far as the
/// peer takes it: one that takes nothing costs the event loop nothing.
struct OutboundQueue {
  /// Up to this long a piece is copied to the end of the one before.
  private static let short = 16_384
  /// So long may a gathering piece become.
  private static let gathered = 65_536

  /// The piece that is being sent, from `position` on.
  private var current: [UInt8] = []
  private var position = 0
  private var later: [[UInt8]] = []
  private(set) var count = 0

  mutating func append(_ bytes: [UInt8]) {
    count += bytes.count
    guard bytes.count > Self.short else {
      return gather(bytes.count) { $0.append(contentsOf: bytes) }
    }
    if count == bytes.count {
      current = bytes
      position = 0
    } else {
      later.append(bytes)
    }
  }

  /// A flag byte, four bytes of length, and the message.
  mutating func append(flags: UInt8, message: [UInt8]) {
    let size = UInt32(clamping: message.count)
    let isShort = message.count <= Self.short
    count += 5
    if isShort { count += message.count }
    gather(isShort ? 5 + message.count : 5) { piece in
      piece.append(flags)
      piece.append(UInt8(truncatingIfNeeded: size >> 24))
      piece.append(UInt8(truncatingIfNeeded: size >> 16))
      piece.append(UInt8(truncatingIfNeeded: size >> 8))
      piece.append(UInt8(truncatingIfNeeded: size))
      if isShort { piece.append(contentsOf: message) }
    }
    if !isShort { append(message) }
  }

  /// Has `body` append `size` bytes to the last piece, or to a new one.
  private mutating func gather(_ size: Int, _ body: (inout [UInt8]) -> Void) {
    if later.isEmpty, current.count + size <= Self.gathered {
      body(&current)
    } else if let last = later.indices.last, later[last].count + size <= Self.gathered {
      body(&later[last])
    } else {
      later.append([])
      body(&later[later.count - 1])
    }
  }

  /// Moves the first bytes to `target`.
  /// - Returns: how many; fewer than `limit` only when no more are there.
  mutating func move(to target: UnsafeMutablePointer<UInt8>, limit: Int) -> Int {
    var moved = 0
    while moved < limit, count > 0 {
      let part = min(limit - moved, current.count - position)
      unsafe current.withUnsafeBufferPointer { bytes in
        guard part > 0, let start = bytes.baseAddress else { return }
        unsafe (target + moved).update(from: start + position, count: part)
      }
      position += part
      moved += part
      count -= part
      if position == current.count { next() }
    }
    return moved
  }

  private mutating func next() {
    position = 0
    if later.isEmpty {
      current.removeAll(keepingCapacity: current.capacity <= Self.gathered)
    } else {
      current = later.removeFirst()
    }
  }

  /// Large buffers are not kept.
  mutating func empty() {
    if current.capacity > Self.short {
      current = []
    } else if !current.isEmpty {
      current.removeAll(keepingCapacity: true)
    }
    if !later.isEmpty { later = [] }
    position = 0
    count = 0
  }
}
