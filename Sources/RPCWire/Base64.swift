/// Base64 for `-bin` metadata and Connect (RFC 4648 §4 and §5).
public enum Base64 {
  private static let alphabet = Array(
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".utf8)

  /// Standard alphabet, without padding: what gRPC asks senders to emit.
  public static func encode(_ bytes: some Collection<UInt8>, padded: Bool = false) -> [UInt8] {
    var result: [UInt8] = []
    result.reserveCapacity((bytes.count + 2) / 3 * 4)
    var pending: UInt32 = 0
    var bits = 0
    for byte in bytes {
      pending = pending << 8 | UInt32(byte)
      bits += 8
      while bits >= 6 {
        bits -= 6
        result.append(alphabet[Int(pending >> UInt32(bits)) & 0x3F])
      }
    }
    if bits > 0 { result.append(alphabet[Int(pending << UInt32(6 - bits)) & 0x3F]) }
    if padded {
      while result.count % 4 != 0 { result.append(UInt8(ascii: "=")) }
    }
    return result
  }

  /// Accepts both alphabets, with or without padding; `nil` for anything else.
  public static func decode(_ text: some Collection<UInt8>) -> [UInt8]? {
    var result: [UInt8] = []
    result.reserveCapacity(text.count / 4 * 3 + 2)
    var pending: UInt32 = 0
    var bits = 0
    var digits = 0
    var padding = 0
    for byte in text {
      if byte == UInt8(ascii: "=") {
        padding += 1
        continue
      }
      guard padding == 0, let digit = value(of: byte) else { return nil }
      pending = pending << 6 | UInt32(digit)
      bits += 6
      digits += 1
      if bits >= 8 {
        bits -= 8
        result.append(UInt8(truncatingIfNeeded: pending >> UInt32(bits)))
      }
    }
    // One digit alone carries no byte; padding, where given, must complete the last group.
    guard digits % 4 != 1, padding == 0 || (padding <= 2 && (digits + padding) % 4 == 0) else {
      return nil
    }
    return result
  }

  private static func value(of byte: UInt8) -> UInt8? {
    switch byte {
    case UInt8(ascii: "A")...UInt8(ascii: "Z"): byte &- UInt8(ascii: "A")
    case UInt8(ascii: "a")...UInt8(ascii: "z"): byte &- UInt8(ascii: "a") &+ 26
    case UInt8(ascii: "0")...UInt8(ascii: "9"): byte &- UInt8(ascii: "0") &+ 52
    case UInt8(ascii: "+"), UInt8(ascii: "-"): 62
    case UInt8(ascii: "/"), UInt8(ascii: "_"): 63
    default: nil
    }
  }
}
