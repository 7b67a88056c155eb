/// The identity of one image: a DICOM SOP Instance UID (0008,0018), or for anything that is not
/// DICOM the SHA-256 of its bytes.
public enum ImageKey: Hashable, Comparable, Sendable, Codable {
  case sopInstance(String)
  /// Lower-case hexadecimal, 64 characters.
  case sha256(String)

  /// `nil` unless `uid` is a DICOM UID: at most 64 characters, numeric components without leading
  /// zeros, separated by single dots (PS3.5 section 9.1).
  public init?(sopInstanceUID uid: String) {
    guard isDICOMUID(uid) else { return nil }
    self = .sopInstance(uid)
  }

  /// `nil` unless there are exactly 32 bytes.
  public init?(sha256 bytes: some Collection<UInt8>) {
    guard bytes.count == 32 else { return nil }
    let digits = Array("0123456789abcdef".utf8)
    var text: [UInt8] = []
    text.reserveCapacity(64)
    for byte in bytes {
      text.append(digits[Int(byte >> 4)])
      text.append(digits[Int(byte & 15)])
    }
    self = .sha256(String(decoding: text, as: UTF8.self))
  }

  /// `dicom:<uid>` or `sha256:<hex>`: one text per image, used as storage key and in events.
  public var text: String {
    switch self {
    case .sopInstance(let uid): "dicom:" + uid
    case .sha256(let hex): "sha256:" + hex
    }
  }

  public init?(text: String) {
    if text.hasPrefix("dicom:") {
      self.init(sopInstanceUID: String(text.dropFirst(6)))
    } else if text.hasPrefix("sha256:") {
      let hex = String(text.dropFirst(7))
      guard hex.utf8.count == 64, hex.utf8.allSatisfy({ hexadecimalValue($0) != nil }),
        hex == hex.lowercased()
      else { return nil }
      self = .sha256(hex)
    } else {
      return nil
    }
  }

  public static func < (a: ImageKey, b: ImageKey) -> Bool { a.text < b.text }

  public init(from decoder: any Decoder) throws {
    let container = try decoder.singleValueContainer()
    guard let key = ImageKey(text: try container.decode(String.self)) else {
      throw DecodingError.dataCorruptedError(in: container, debugDescription: "not an image key")
    }
    self = key
  }

  public func encode(to encoder: any Encoder) throws {
    var container = encoder.singleValueContainer()
    try container.encode(text)
  }
}

/// DICOM PS3.5 section 9.1.
public func isDICOMUID(_ text: String) -> Bool {
  let bytes = Array(text.utf8)
  guard !bytes.isEmpty, bytes.count <= 64 else { return false }
  var componentLength = 0
  var leadingZero = false
  for byte in bytes {
    if byte == UInt8(ascii: ".") {
      if componentLength == 0 || (leadingZero && componentLength > 1) { return false }
      componentLength = 0
      leadingZero = false
    } else if byte >= UInt8(ascii: "0"), byte <= UInt8(ascii: "9") {
      if componentLength == 0 { leadingZero = byte == UInt8(ascii: "0") }
      componentLength += 1
    } else {
      return false
    }
  }
  return componentLength > 0 && !(leadingZero && componentLength > 1)
}
