/// Writes and reads a `google.rpc.Status`, the content of `grpc-status-details-bin`.
///
/// Three fields of a message fixed for ever: done here so that the wire layer needs no generated
/// code.
public enum StatusMessage {
  public typealias Detail = (typeName: String, value: [UInt8])

  private static let prefix = Array("type.googleapis.com/".utf8)

  public static func encode(code: RPCCode, message: String, details: [Detail]) -> [UInt8] {
    var bytes: [UInt8] = [0x08, code.rawValue]
    appendField(0x12, Array(message.utf8), to: &bytes)
    for detail in details {
      var any: [UInt8] = []
      appendField(0x0A, prefix + Array(detail.typeName.utf8), to: &any)
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

  /// Reads the details; what cannot be read is left out, since an error about an error helps
  /// nobody.
  public static func decodeDetails(_ bytes: [UInt8]) -> [Detail] {
    var details: [Detail] = []
    forEachField(bytes[...]) { number, content in
      guard number == 3 else { return }
      var name: [UInt8] = []
      var value: [UInt8] = []
      forEachField(content) { number, content in
        if number == 1 { name = Array(content) }
        if number == 2 { value = Array(content) }
      }
      let start = name.lastIndex(of: UInt8(ascii: "/")).map { $0 + 1 } ?? 0
      details.append((String(decoding: name[start...], as: UTF8.self), value))
    }
    return details
  }

  /// Visits the length-delimited fields, passing over the others; stops at the first fault.
  private static func forEachField(
    _ bytes: ArraySlice<UInt8>, _ body: (UInt64, ArraySlice<UInt8>) -> Void
  ) {
    var rest = bytes
    while let tag = takeVarint(&rest) {
      switch tag & 7 {
      case 0:
        guard takeVarint(&rest) != nil else { return }
      case 1:
        guard rest.count >= 8 else { return }
        rest = rest.dropFirst(8)
      case 2:
        guard let length = takeVarint(&rest), length <= UInt64(rest.count) else { return }
        body(tag >> 3, rest.prefix(Int(length)))
        rest = rest.dropFirst(Int(length))
      case 5:
        guard rest.count >= 4 else { return }
        rest = rest.dropFirst(4)
      default: return
      }
    }
  }

  private static func takeVarint(_ bytes: inout ArraySlice<UInt8>) -> UInt64? {
    var value: UInt64 = 0
    for shift in stride(from: UInt64(0), to: 64, by: 7) {
      guard let byte = bytes.popFirst() else { return nil }
      value |= UInt64(byte & 0x7F) << shift
      if byte < 0x80 { return value }
    }
    return nil
  }
}
