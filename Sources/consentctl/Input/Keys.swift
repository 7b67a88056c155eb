import ConsentProto
import Foundation
import SwiftProtobuf

/// Identities as people type them.
enum Keys {
  /// A SOP Instance UID, or `sha256:` and 64 hexadecimal digits.
  static func image(_ text: String) throws -> Consent_V1_ImageKey {
    var key = Consent_V1_ImageKey()
    guard text.hasPrefix("sha256:") else {
      key.sopInstanceUid = text
      return key
    }
    guard let bytes = Data(hexadecimal: text.dropFirst(7)), bytes.count == 32 else {
      throw CommandFailure.data("image: sha256: takes 64 hexadecimal digits")
    }
    key.sha256 = bytes
    return key
  }

  static func text(_ key: Consent_V1_ImageKey) -> String {
    switch key.key {
    case .sopInstanceUid(let uid): uid
    case .sha256(let bytes): "sha256:" + bytes.map { hex($0) }.joined()
    case nil: "-"
    }
  }

  static func hex(_ byte: UInt8) -> String {
    let text = String(byte, radix: 16)
    return byte < 16 ? "0" + text : text
  }

  /// `system|value`.
  static func identifier(_ text: String, field: String) throws -> Consent_V1_Identifier {
    guard let bar = text.lastIndex(of: "|"), bar != text.startIndex else {
      throw CommandFailure.data("\(field): write system|value, such as urn:mrn|P-1001")
    }
    var identifier = Consent_V1_Identifier()
    identifier.system = String(text[..<bar])
    identifier.value = String(text[text.index(after: bar)...])
    return identifier
  }

  /// The bytes of a chain value.
  static func chain(_ text: String) -> Data? { Data(hexadecimal: text) }

  /// `kind:system|value`.
  static func party(_ text: String, field: String) throws -> Consent_V1_Party {
    guard let colon = text.firstIndex(of: ":") else {
      throw CommandFailure.data("\(field): write kind:system|value, such as person:urn:npi|123")
    }
    var party = Consent_V1_Party()
    party.kind = try Words.value(String(text[..<colon]), field: field)
    party.identifier = try identifier(String(text[text.index(after: colon)...]), field: field)
    return party
  }

  /// An id, or `system|value`.
  static func patient(_ text: String) throws -> Consent_V1_PatientReference {
    var reference = Consent_V1_PatientReference()
    if text.contains("|") {
      reference.identifier = try identifier(text, field: "patient")
    } else {
      reference.patientID = text
    }
    return reference
  }

  /// `YYYY-MM-DD`.
  static func day(_ text: String, field: String) throws -> Consent_V1_LocalDay {
    let parts = text.split(separator: "-", omittingEmptySubsequences: false).map { Int32($0) }
    guard parts.count == 3, let year = parts[0], let month = parts[1], let day = parts[2] else {
      throw CommandFailure.data("\(field): \(text) is not a day of the form YYYY-MM-DD")
    }
    var local = Consent_V1_LocalDay()
    (local.year, local.month, local.day) = (year, month, day)
    return local
  }

  /// RFC 3339.
  static func instant(_ text: String, field: String) throws -> Google_Protobuf_Timestamp {
    guard let date = try? Date(text, strategy: .iso8601) else {
      throw CommandFailure.data("\(field): \(text) is not an instant such as 2026-03-01T09:00:00Z")
    }
    return Google_Protobuf_Timestamp(date: date)
  }

  /// A day or an instant, as the paper states it.
  static func signed(_ text: String, field: String) throws -> Consent_V1_SignedTime {
    var time = Consent_V1_SignedTime()
    if text.contains("T") {
      time.instant = try instant(text, field: field)
    } else {
      time.localDay = try day(text, field: field)
    }
    return time
  }
}

extension Data {
  init?(hexadecimal text: some StringProtocol) {
    let digits = text.utf8.map { Character(Unicode.Scalar($0)).hexDigitValue }
    guard digits.count.isMultiple(of: 2) else { return nil }
    var bytes: [UInt8] = []
    for index in stride(from: 0, to: digits.count, by: 2) {
      guard let high = digits[index], let low = digits[index + 1] else { return nil }
      bytes.append(UInt8(high << 4 | low))
    }
    self.init(bytes)
  }
}
