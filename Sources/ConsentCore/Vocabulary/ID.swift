/// The identity of one `Subject`: 128 bits, written as a UUID (RFC 9562).
public struct ID<Subject>: Hashable, Comparable, Sendable, Codable {
  public var high: UInt64
  public var low: UInt64

  public init(high: UInt64, low: UInt64) {
    self.high = high
    self.low = low
  }

  /// Reads 32 hexadecimal digits, with or without the four hyphens of the UUID form.
  public init?(_ text: some StringProtocol) {
    var digits = 0
    var high: UInt64 = 0
    var low: UInt64 = 0
    var position = 0
    for byte in text.utf8 {
      defer { position += 1 }
      if byte == UInt8(ascii: "-") {
        guard position == 8 || position == 13 || position == 18 || position == 23 else {
          return nil
        }
        continue
      }
      guard let value = hexadecimalValue(byte), digits < 32 else { return nil }
      if digits < 16 { high = high << 4 | value } else { low = low << 4 | value }
      digits += 1
    }
    guard digits == 32, position == 32 || position == 36 else { return nil }
    self.init(high: high, low: low)
  }

  /// The same bits, read as the identity of another kind of thing.
  public func retyped<Other>(as other: Other.Type = Other.self) -> ID<Other> {
    ID<Other>(high: high, low: low)
  }

  public static func < (a: ID, b: ID) -> Bool { (a.high, a.low) < (b.high, b.low) }

  public init(from decoder: any Decoder) throws {
    let container = try decoder.singleValueContainer()
    guard let id = ID(try container.decode(String.self)) else {
      throw DecodingError.dataCorruptedError(in: container, debugDescription: "not a UUID")
    }
    self = id
  }

  public func encode(to encoder: any Encoder) throws {
    var container = encoder.singleValueContainer()
    try container.encode(description)
  }
}

extension ID: CustomStringConvertible {
  /// Lower-case UUID text, 36 characters.
  public var description: String {
    var bytes: [UInt8] = []
    bytes.reserveCapacity(36)
    for nibble in 0..<32 {
      if nibble == 8 || nibble == 12 || nibble == 16 || nibble == 20 {
        bytes.append(UInt8(ascii: "-"))
      }
      let word = nibble < 16 ? high : low
      let value = UInt8(truncatingIfNeeded: word >> UInt64((15 - nibble % 16) * 4)) & 15
      bytes.append(value < 10 ? UInt8(ascii: "0") + value : UInt8(ascii: "a") + value - 10)
    }
    return String(decoding: bytes, as: UTF8.self)
  }
}

func hexadecimalValue(_ byte: UInt8) -> UInt64? {
  switch byte {
  case UInt8(ascii: "0")...UInt8(ascii: "9"): UInt64(byte - UInt8(ascii: "0"))
  case UInt8(ascii: "a")...UInt8(ascii: "f"): UInt64(byte - UInt8(ascii: "a") + 10)
  case UInt8(ascii: "A")...UInt8(ascii: "F"): UInt64(byte - UInt8(ascii: "A") + 10)
  default: nil
  }
}

/// Subjects that have no value type of their own.
public enum Organization {}
public enum Patient {}
public enum DecisionRecord {}

public typealias OrganizationID = ID<Organization>
public typealias PatientID = ID<Patient>
public typealias InstrumentID = ID<Instrument>
public typealias GrantID = ID<Grant>
public typealias RecordID = ID<Record>
