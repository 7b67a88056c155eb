import Gzip
import RPCWire

/// A message compression both sides know besides `identity`.
enum Compression: Sendable {
  case gzip

  /// Shorter messages are sent as they are: the saving is below one network packet.
  static let threshold = 1_024
  static let accepted: StaticString = "identity,gzip"

  enum Named: Equatable {
    case identity, gzip, unknown
  }

  static func named(_ value: ArraySlice<UInt8>) -> Named {
    if ASCII.equalsIgnoringCase(value, "gzip") { return .gzip }
    return ASCII.equalsIgnoringCase(value, "identity") ? .identity : .unknown
  }

  /// Tells whether a comma-separated list of encodings names gzip.
  static func listNamesGzip(_ list: ArraySlice<UInt8>) -> Bool {
    list.split(separator: UInt8(ascii: ",")).contains { part in
      let name = part.prefix { $0 != UInt8(ascii: ";") }
      return ASCII.equalsIgnoringCase(ASCII.trimmed(name), "gzip")
    }
  }

  /// What a message claims to become, before any of it is made.
  func claimedSize(of bytes: [UInt8], limit: Int) throws(WireFault) -> Int {
    guard let size = Gzip.claimedSize(of: bytes) else { throw Self.damaged }
    guard size <= limit else { throw Self.tooLarge(limit) }
    return size
  }

  func inflate(_ bytes: [UInt8], limit: Int) throws(WireFault) -> [UInt8] {
    let size = try claimedSize(of: bytes, limit: limit)
    var output: [UInt8] = []
    output.reserveCapacity(size)
    try inflate(bytes, claiming: size, onto: &output)
    return output
  }

  /// Inflates to the end of memory that the caller has made for what is claimed.
  func inflate(
    _ bytes: [UInt8], claiming size: Int, onto output: inout [UInt8]
  ) throws(WireFault) {
    do throws(GzipError) {
      try Gzip.inflate(bytes, claiming: size, onto: &output)
    } catch {
      throw Self.damaged
    }
  }

  private static let damaged = WireFault(
    .internal, "the gzip data is damaged; send it again")

  private static func tooLarge(_ limit: Int) -> WireFault {
    WireFault(
      .resourceExhausted,
      "the inflated message is above the limit of \(limit) bytes; send less at a time")
  }

  func deflate(_ bytes: [UInt8]) -> [UInt8]? { Gzip.deflate(bytes) }
}
