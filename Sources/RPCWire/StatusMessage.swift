/// Writes a `google.rpc.Status`, the content of `grpc-status-details-bin`.
///
/// Three fields of a message fixed for ever: written here so that the wire layer needs no
/// generated code.
public enum StatusMessage {
  public static func encode(
    code: RPCCode, message: String, details: [(typeName: String, value: [UInt8])]
  ) -> [UInt8] {
    var bytes: [UInt8] = [0x08, code.rawValue]
    appendField(0x12, Array(message.utf8), to: &bytes)
    for detail in details {
      var any: [UInt8] = []
      appendField(0x0A, Array("type.googleapis.com/\(detail.typeName)".utf8), to: &any)
      appendField(0x12, detail.value, to: &any)
      appendField(0x1A, any, to: &bytes)
    }
    return bytes
  }

  private static func appendField(_ tag: UInt8, _ value: [UInt8], to bytes: inout [UInt8]) {
    bytes.append(tag)
    var length = value.count
    while length >= 0x80 {
      bytes.append(UInt8(truncatingIfNeeded: length) | 0x80)
      length >>= 7
    }
    bytes.append(UInt8(truncatingIfNeeded: length))
    bytes.append(contentsOf: value)
  }
}
