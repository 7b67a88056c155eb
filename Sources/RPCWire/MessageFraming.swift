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
  /// The start of an incomplete prefix, or the whole one of an incomplete message.
  private var prefix: [UInt8] = []
  private var pending = Pieces()

  public init(maximumBytes: Int, allowedFlags: UInt8 = 1) {
    self.maximumBytes = maximumBytes
    self.allowedFlags = allowedFlags
  }

  /// Bytes of an incomplete message that are kept here.
  public var pendingCount: Int { prefix.count + pending.count }

  /// Takes all of `bytes` and passes each message that became complete to `body`.
  public mutating func feed(
    _ bytes: [UInt8], _ body: (FramedMessage) -> Void
  ) throws(WireFault) {
    var start = 0
    // The usual unary request: nothing pending and whole messages in one piece, no second copy.
    if !prefix.isEmpty { start = try completePending(bytes, body) }
    while bytes.count - start >= 5 {
      let length = try checkPrefix(bytes, at: start)
      guard bytes.count - start - 5 >= length else { break }
      let end = start + 5 + length
      body(FramedMessage(flags: bytes[start], bytes: Array(bytes[(start + 5)..<end])))
      start = end
    }
    guard start < bytes.count else { return }
    let rest = bytes[start...]
    prefix = Array(rest.prefix(5))
    pending.append(rest.dropFirst(5))
  }

  private mutating func completePending(
    _ bytes: [UInt8], _ body: (FramedMessage) -> Void
  ) throws(WireFault) -> Int {
    var taken = 0
    if prefix.count < 5 {
      taken = min(5 - prefix.count, bytes.count)
      prefix.append(contentsOf: bytes[..<taken])
      guard prefix.count == 5 else { return taken }
    }
    let length = try checkPrefix(prefix, at: 0)
    let more = min(length - pending.count, bytes.count - taken)
    pending.append(bytes[taken..<(taken + more)])
    taken += more
    if pending.count == length {
      let message = FramedMessage(flags: prefix[0], bytes: pending.take())
      prefix = []
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
    guard prefix.isEmpty else {
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
