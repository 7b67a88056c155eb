internal import Foundation
public import SwiftProtobuf

/// The descriptors of `consent.v1` and its imports, for the reflection service.
public enum DescriptorSet {
  /// The files in dependency order: each comes after those that it imports.
  ///
  /// Decoded at each call; a caller keeps what it needs. Throws only if the embedded text is
  /// damaged, which `ops/generate --check` excludes.
  public static func files() throws -> [Google_Protobuf_FileDescriptorProto] {
    let text = encodedDescriptorSet.withUTF8Buffer { String(decoding: $0, as: UTF8.self) }
    guard let bytes = Data(base64Encoded: text) else { throw DescriptorSetError.notBase64 }
    return try Google_Protobuf_FileDescriptorSet(serializedBytes: bytes).file
  }
}

/// Why the embedded descriptors cannot be read: the program was built from damaged sources.
public enum DescriptorSetError: Error, Sendable {
  case notBase64
}
