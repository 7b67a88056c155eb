/// The JSON that Connect itself defines: the error object and the end of a stream.
///
/// - Source: Connect protocol, "Error end-stream" and "EndStreamResponse".
public enum ConnectJSON {
  public typealias Detail = (typeName: String, value: [UInt8])

  /// `{"code":…,"message":…,"details":[…]}`; an empty message or list is left out.
  public static func error(_ code: RPCCode, _ message: String, details: [Detail]) -> [UInt8] {
    var json = Array("{\"code\":\"\(code.connectName)\"".utf8)
    if !message.isEmpty {
      json.append(contentsOf: ",\"message\":".utf8)
      appendString(message, to: &json)
    }
    if !details.isEmpty {
      json.append(contentsOf: ",\"details\":[".utf8)
      for (index, detail) in details.enumerated() {
        if index > 0 { json.append(UInt8(ascii: ",")) }
        json.append(contentsOf: "{\"type\":".utf8)
        appendString(detail.typeName, to: &json)
        json.append(contentsOf: ",\"value\":\"".utf8)
        json.append(contentsOf: Base64.encode(detail.value))
        json.append(contentsOf: "\"}".utf8)
      }
      json.append(UInt8(ascii: "]"))
    }
    json.append(UInt8(ascii: "}"))
    return json
  }

  /// The content of the last envelope: `error` is a finished error object or `nil`.
  public static func endOfStream(error: [UInt8]?, metadata: Metadata) -> [UInt8] {
    var json: [UInt8] = [UInt8(ascii: "{")]
    if let error {
      json.append(contentsOf: "\"error\":".utf8)
      json.append(contentsOf: error)
    }
    if !metadata.isEmpty {
      if error != nil { json.append(UInt8(ascii: ",")) }
      json.append(contentsOf: "\"metadata\":{".utf8)
      appendMetadata(metadata, to: &json)
      json.append(UInt8(ascii: "}"))
    }
    json.append(UInt8(ascii: "}"))
    return json
  }

  /// Names once each, their values in a list: a JSON object must not repeat a key.
  private static func appendMetadata(_ metadata: Metadata, to json: inout [UInt8]) {
    var done: [[UInt8]] = []
    for entry in metadata.entries where !done.contains(entry.name) {
      if !done.isEmpty { json.append(UInt8(ascii: ",")) }
      done.append(entry.name)
      appendString(String(decoding: entry.name, as: UTF8.self), to: &json)
      json.append(contentsOf: ":[".utf8)
      let values = metadata.entries.filter { $0.name == entry.name }
      for (index, value) in values.enumerated() {
        if index > 0 { json.append(UInt8(ascii: ",")) }
        let text = value.isBinary ? Base64.encode(value.value) : value.value
        appendString(String(decoding: text, as: UTF8.self), to: &json)
      }
      json.append(UInt8(ascii: "]"))
    }
  }

  /// A JSON string (RFC 8259 §7).
  static func appendString(_ text: String, to json: inout [UInt8]) {
    let digits = Array("0123456789abcdef".utf8)
    json.append(UInt8(ascii: "\""))
    for byte in text.utf8 {
      switch byte {
      case UInt8(ascii: "\""), UInt8(ascii: "\\"):
        json.append(UInt8(ascii: "\\"))
        json.append(byte)
      case 0..<0x20:
        json.append(contentsOf: "\\u00".utf8)
        json.append(digits[Int(byte >> 4)])
        json.append(digits[Int(byte & 15)])
      default:
        json.append(byte)
      }
    }
    json.append(UInt8(ascii: "\""))
  }
}
