import HTTP2
public import RPCWire

/// The caller's metadata, read in place: nothing is decoded before it is asked for.
public struct RequestMetadata: Sendable {
  let fields: HTTP2Fields

  /// The first value under a lower-case name, with invalid UTF-8 repaired; `nil` when absent.
  public subscript(_ name: StaticString) -> String? {
    bytes(name).map { String(decoding: $0, as: UTF8.self) }
  }

  /// The first value under a lower-case name, as it came.
  public func bytes(_ name: StaticString) -> ArraySlice<UInt8>? { fields.first(name) }

  /// How many fields have this lower-case name; credentials given twice should be refused.
  public func count(_ name: StaticString) -> Int { fields.count(of: name) }

  /// The first value of a `-bin` field, decoded; `nil` when absent.
  ///
  /// Values that are not base64 were refused before the handler started.
  public func binary(_ name: StaticString) -> [UInt8]? {
    guard let value = fields.first(name) else { return nil }
    let first = value.split(separator: UInt8(ascii: ","), omittingEmptySubsequences: false).first
    return Base64.decode(first ?? value)
  }

  /// Every user field, `-bin` values decoded and split at commas, reserved names left out.
  public func all() -> Metadata {
    var metadata = Metadata()
    for index in 0..<fields.count {
      let name = fields.name(index)
      guard !Metadata.isReserved(name) else { continue }
      let value = fields.value(index)
      guard Metadata.isBinary(name: name) else {
        metadata.entries.append(.init(name: Array(name), value: Array(value)))
        continue
      }
      for part in value.split(separator: UInt8(ascii: ","), omittingEmptySubsequences: false) {
        guard let decoded = Base64.decode(ASCII.trimmed(part)) else { continue }
        metadata.entries.append(.init(name: Array(name), value: decoded))
      }
    }
    return metadata
  }
}
