import ConsentCore
import ConsentProto

/// How a request names a record: most by UUID, an image by its key, a policy by its version.
enum RecordName: Hashable, Sendable {
  case record(RecordReference)
  /// Version 0 is the newest.
  case image(ImageKey, version: Int)
  case policy(version: Int)
}

extension RequestReader {
  mutating func record(
    _ value: Consent_V1_RecordReference?, _ field: StaticString, _ presence: Presence = .required
  ) -> RecordName? {
    guard let value else {
      if presence == .required { refuse(field, "is required") }
      return nil
    }
    return within(field) { $0.record(value) }
  }

  mutating func record(_ value: Consent_V1_RecordReference) -> RecordName? {
    guard let kind = recordKind(value.kind) else { return nil }
    guard let version = Int(exactly: value.version) else {
      refuse("version", "is not a version of any record")
      return nil
    }
    switch kind {
    case .image:
      guard let key = ImageKey(text: value.id) else {
        refuse("id", "is not \"dicom:\" and a UID, or \"sha256:\" and 64 hexadecimal digits")
        return nil
      }
      return .image(key, version: version)
    case .policy:
      guard let version = Int(value.id), version >= 0 else {
        refuse("id", "is not a policy version in decimal")
        return nil
      }
      return .policy(version: version)
    default:
      return id(value.id, "id", of: Record.self).map {
        .record(RecordReference(kind: kind, id: $0))
      }
    }
  }

  private mutating func recordKind(_ value: Consent_V1_RecordKind) -> RecordKind? {
    guard let kind = RecordKind(number: value.rawValue) else {
      switch value {
      case .unspecified: refuse("kind", "is required")
      case .grant: refuse("kind", "is not a record by itself; name its instrument")
      default: refuse("kind", "is not a kind of record that this call takes")
      }
      return nil
    }
    return kind
  }
}

extension Consent_V1_RecordReference {
  /// - Parameter image: the key of the image that a reference to an image record is about; without
  ///   it the record's own UUID is told.
  init(_ reference: RecordReference, version: Int = 0, image: ImageKey? = nil) {
    self.init()
    kind = reference.kind.proto()
    self.version = UInt64(clamping: version)
    switch (reference.kind, image) {
    case (.image, let image?): id = image.text
    case (.policy, _) where version > 0: id = String(version)
    default: id = reference.id.description
    }
  }
}
