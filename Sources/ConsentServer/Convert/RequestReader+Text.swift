import ConsentCore

/// The most bytes of UTF-8 in a field.
enum TextLimit: Int {
  /// Identifiers, names, titles: one line.
  case name = 1_024
  /// What people write.
  case note = 8_192
}

extension RequestReader {
  /// A line of text; `nil` if it is empty.
  ///
  /// Identifiers and names hold no control characters, so that two that look the same are the
  /// same and none breaks a line of a list; notes may have line ends and tabs.
  mutating func text(
    _ value: String, _ field: StaticString, _ presence: Presence, limit: TextLimit = .name,
    reason: String? = nil
  ) -> String? {
    guard !value.isEmpty else {
      if presence == .required { refuse(field, "is required", reason: reason) }
      return nil
    }
    guard let fault = textFault(value, limit) else { return value }
    refuse(field, fault)
    return nil
  }

  /// The same for a field with presence.
  mutating func text(_ value: String?, _ field: StaticString, limit: TextLimit = .name) -> String? {
    guard let value else { return nil }
    return text(value, field, .optional, limit: limit)
  }

  private func textFault(_ value: String, _ limit: TextLimit) -> String? {
    guard value.utf8.count <= limit.rawValue else {
      return "is longer than \(limit.rawValue) bytes"
    }
    var previous: UInt8 = 0
    for byte in value.utf8 {
      if isControl(byte, after: previous) {
        let isLayout = byte == 0x09 || byte == 0x0A || byte == 0x0D
        if limit == .name || !isLayout { return "holds a control character" }
      }
      previous = byte
    }
    return nil
  }

  /// U+0000 to U+001F, U+007F, and U+0080 to U+009F, which UTF-8 writes as C2 80 to C2 9F.
  private func isControl(_ byte: UInt8, after previous: UInt8) -> Bool {
    byte < 0x20 || byte == 0x7F || (previous == 0xC2 && byte < 0xA0)
  }

  /// A UUID of ours.
  mutating func id<Subject>(
    _ value: String, _ field: StaticString, _ presence: Presence = .required,
    of subject: Subject.Type = Subject.self
  ) -> ID<Subject>? {
    guard !value.isEmpty else {
      if presence == .required { refuse(field, "is required") }
      return nil
    }
    guard let id = ID<Subject>(value) else {
      refuse(field, "is not a UUID")
      return nil
    }
    return id
  }

  /// The same for an element of a repeated field.
  mutating func elementID<Subject>(
    _ value: String, of subject: Subject.Type = Subject.self
  ) -> ID<Subject>? {
    guard let id = ID<Subject>(value) else {
      refuse("is not a UUID")
      return nil
    }
    return id
  }

  /// A DICOM UID.
  mutating func uid(_ value: String?, _ field: StaticString) -> String? {
    guard let value, !value.isEmpty else { return nil }
    guard isDICOMUID(value) else {
      refuse(field, "is not a DICOM UID (PS3.5 section 9.1)")
      return nil
    }
    return value
  }

  /// The caller's idempotency key, 1 to 128 characters.
  mutating func idempotencyKey(_ value: String) -> String? {
    guard value.utf8.count <= 128 else {
      refuse("idempotency_key", "is longer than 128 bytes")
      return nil
    }
    return text(value, "idempotency_key", .required)
  }
}

extension ID {
  /// A new identity: 122 random bits in the form of RFC 9562, version 4.
  static func random() -> ID {
    let high = UInt64.random(in: .min ... .max)
    let low = UInt64.random(in: .min ... .max)
    return ID(
      high: high & 0xFFFF_FFFF_FFFF_0FFF | 0x4000,
      low: low & 0x3FFF_FFFF_FFFF_FFFF | 0x8000_0000_0000_0000)
  }
}
