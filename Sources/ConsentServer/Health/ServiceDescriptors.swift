import ConsentProto
import SwiftProtobuf

/// What reflection serves.
public enum ServiceDescriptors {
  /// A serialized `google.protobuf.FileDescriptorSet`; `nil` if the embedded text is damaged, and
  /// the server then goes without reflection.
  public static var bytes: [UInt8]? {
    guard let files = try? DescriptorSet.files() else { return nil }
    var set = Google_Protobuf_FileDescriptorSet()
    set.file = files
    return try? set.serializedBytes()
  }
}
