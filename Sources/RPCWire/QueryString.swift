/// The query of a URL, split and decoded.
public struct QueryString: Sendable {
  private let pairs: [(name: [UInt8], value: [UInt8])]

  /// - Parameter text: what follows `?`, without it.
  public init(_ text: ArraySlice<UInt8>) {
    pairs = text.split(separator: UInt8(ascii: "&")).map { part in
      let equals = part.firstIndex(of: UInt8(ascii: "="))
      let name = part[part.startIndex..<(equals ?? part.endIndex)]
      let value = equals.map { part[($0 + 1)...] } ?? []
      return (
        PercentCoding.decode(name, plusIsSpace: true),
        PercentCoding.decode(value, plusIsSpace: true)
      )
    }
  }

  /// The first value under a name; `nil` when absent.
  public subscript(_ name: StaticString) -> [UInt8]? {
    pairs.first { ASCII.equals($0.name, name) }?.value
  }
}

/// A Connect GET: the request message stands in the query.
///
/// - Source: Connect protocol, "Unary-Get-Request".
public struct ConnectGetQuery: Sendable {
  public let encoding: MessageEncoding
  public let compression: [UInt8]?
  public let message: [UInt8]

  /// Tells whether a query is meant as a Connect GET at all.
  public static func isPresent(in query: QueryString) -> Bool {
    if let version = query["connect"], ASCII.equals(version, "v1") { return true }
    return query["encoding"] != nil && query["message"] != nil
  }

  public init(_ query: QueryString) throws(WireFault) {
    if let version = query["connect"], !ASCII.equals(version, "v1") {
      throw WireFault(.invalidArgument, "connect must be v1")
    }
    guard let name = query["encoding"] else {
      throw WireFault(.invalidArgument, "the query needs encoding=proto or encoding=json")
    }
    if ASCII.equals(name, "proto") {
      encoding = .proto
    } else if ASCII.equals(name, "json") {
      encoding = .json
    } else {
      throw WireFault(.invalidArgument, "encoding must be proto or json")
    }
    guard let text = query["message"] else {
      throw WireFault(.invalidArgument, "the query needs message")
    }
    if let flag = query["base64"], ASCII.equals(flag, "1") {
      guard let bytes = Base64.decode(text) else {
        throw WireFault(.invalidArgument, "message is not base64")
      }
      message = bytes
    } else {
      message = text
    }
    compression = query["compression"]
  }
}
