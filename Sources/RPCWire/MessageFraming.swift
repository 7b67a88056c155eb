/// One framed message: its flags and its bytes.
public struct FramedMessage: Equatable, Sendable {
  public let flags: UInt8
  public let bytes: [UInt8]

  public var isCompressed: Bool { flags & 1 == 1 }

  public init(flags: UInt8, bytes: [UInt8]) {
    self.flags = flags
    self.bytes = bytes
  }
}

/// Splits a stream of bytes into length-prefixed messages, as gRPC, gRPC-Web and Connect
/// streaming share them: a flag byte, four bytes of length, big-endian, the message.
///
/// INVARIANT: no more than one message's bytes are kept, and the claimed length is compared with
/// the limit before any of them; the claim itself reserves nothing.
public struct MessageDeframer: Sendable {
  /// Flag bits a peer may set.
  let allowedFlags: UInt8
  let maximumBytes: Int
  private var pending: [UInt8] = []

  public init(maximumBytes: Int, allowedFlags: UInt8 = 1) {
    self.maximumBytes = maximumBytes
    self.allowedFlags = allowedFlags
  }

  /// Bytes of an incomplete message that are kept here.
  public var pendingCount: Int { pending.count }

  /// Takes all of `bytes` and passes each message that became complete to `body`.
  public mutating func feed(
    _ bytes: [UInt8], _ body: (FramedMessage) -> Void
  ) throws(WireFault) {
    var start = 0
    // The usual unary request: nothing pending and whole messages in one piece, no second copy.
    if !pending.isEmpty { start = try completePending(bytes, body) }
    while bytes.count - start >= 5 {
      let length = try checkPrefix(bytes, at: start)
      guard bytes.count - start - 5 >= length else { break }
      let end = start + 5 + length
      body(FramedMessage(flags: bytes[start], bytes: Array(bytes[(start + 5)..<end])))
      start = end
    }
    if start < bytes.count { pending.append(contentsOf: bytes[start...]) }
  }

  private mutating func completePending(
    _ bytes: [UInt8], _ body: (FramedMessage) -> Void
  ) throws(WireFault) -> Int {
    var taken = 0
    if pending.count < 5 {
      taken = min(5 - pending.count, bytes.count)
      pending.append(contentsOf: bytes[..<taken])
      guard pending.count == 5 else { return taken }
    }
    let length = try checkPrefix(pending, at: 0)
    let more = min(5 + length - pending.count, bytes.count - taken)
    pending.append(contentsOf: bytes[taken..<(taken + more)])
    taken += more
    if pending.count == 5 + length {
      let message = FramedMessage(flags: pending[0], bytes: Array(pending[5...]))
      pending = []
      body(message)
    }
    return taken
  }

  private func checkPrefix(_ bytes: [UInt8], at start: Int) throws(WireFault) -> Int {
    guard bytes[start] & ~allowedFlags == 0 else {
      throw WireFault(.internal, "message flags \(bytes[start]) are not defined; send 0 or 1")
    }
    var length = 0
    for index in (start + 1)...(start + 4) { length = length << 8 | Int(bytes[index]) }
    guard length <= maximumBytes else {
      throw WireFault(
        .resourceExhausted,
        "message of \(length) bytes is above the limit of \(maximumBytes); send less at a time")
    }
    return length
  }

  /// To be called at the end of the stream.
  public func finish() throws(WireFault) {
    guard pending.isEmpty else {
      throw WireFault(.internal, "the stream ended inside a message; send it whole")
    }
  }
}

/// Writes the five bytes before a message.
public enum MessageFraming {
  public static func prefix(flags: UInt8, length: Int) -> [UInt8] {
    let size = UInt32(clamping: length)
    return [
      flags, UInt8(truncatingIfNeeded: size >> 24), UInt8(truncatingIfNeeded: size >> 16),
      UInt8(truncatingIfNeeded: size >> 8), UInt8(truncatingIfNeeded: size),
    ]
  }
}
