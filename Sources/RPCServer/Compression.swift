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

  func inflate(_ bytes: [UInt8], limit: Int) throws(WireFault) -> [UInt8] {
    do throws(GzipError) {
      return try Gzip.inflate(bytes, limit: limit)
    } catch {
      switch error {
      case .corrupt: throw WireFault(.internal, "the gzip data is damaged; send it again")
      case .tooLarge:
        throw WireFault(
          .resourceExhausted,
          "the inflated message is above the limit of \(limit) bytes; send less at a time")
      }
    }
  }

  func deflate(_ bytes: [UInt8]) -> [UInt8]? { Gzip.deflate(bytes) }
}
