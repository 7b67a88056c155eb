/// The percent coding of `grpc-message`, and of URL queries.
public enum PercentCoding {
  private static let digits = Array("0123456789ABCDEF".utf8)

  /// Longest message before encoding; clients cap a whole trailer list at 8 KiB.
  public static let maximumMessageBytes = 1_024

  /// Cuts a message on a scalar boundary and encodes it: 0x20-0x24 and 0x26-0x7E stay.
  public static func encodeMessage(_ message: String) -> [UInt8] {
    var result: [UInt8] = []
    var length = 0
    for scalar in message.unicodeScalars {
      let bytes = UTF8.encode(scalar)
      guard let bytes, length + bytes.count <= maximumMessageBytes else { break }
      length += bytes.count
      for byte in bytes {
        if (0x20...0x7E).contains(byte), byte != UInt8(ascii: "%") {
          result.append(byte)
        } else {
          result.append(UInt8(ascii: "%"))
          result.append(digits[Int(byte >> 4)])
          result.append(digits[Int(byte & 15)])
        }
      }
    }
    return result
  }

  /// Decodes what it can; a stray `%` stays as it is. Never fails.
  public static func decode(
    _ text: some Collection<UInt8>, plusIsSpace: Bool = false
  ) -> [UInt8] {
    let bytes = Array(text)
    var result: [UInt8] = []
    result.reserveCapacity(bytes.count)
    var index = 0
    while index < bytes.count {
      let byte = bytes[index]
      if byte == UInt8(ascii: "%"), index + 2 < bytes.count,
        let high = hexadecimal(bytes[index + 1]), let low = hexadecimal(bytes[index + 2])
      {
        result.append(high << 4 | low)
        index += 3
      } else {
        result.append(plusIsSpace && byte == UInt8(ascii: "+") ? 0x20 : byte)
        index += 1
      }
    }
    return result
  }

  private static func hexadecimal(_ byte: UInt8) -> UInt8? {
    switch byte {
    case UInt8(ascii: "0")...UInt8(ascii: "9"): byte &- UInt8(ascii: "0")
    case UInt8(ascii: "A")...UInt8(ascii: "F"): byte &- UInt8(ascii: "A") &+ 10
    case UInt8(ascii: "a")...UInt8(ascii: "f"): byte &- UInt8(ascii: "a") &+ 10
    default: nil
    }
  }
}
