import Foundation
import RPCWire

/// A signed token taken apart (RFC 7515 §3.1), before anything of it is believed: three parts of
/// base64url, of which the first two are JSON objects. The signature is not looked at.
struct TokenForm: Sendable {
  /// In bytes; what is longer is no token.
  static let sizeLimit = 8_192

  let header: TokenHeader
  let claims: TokenClaims

  /// `nil` for text of another form.
  init?(_ token: ArraySlice<UInt8>) {
    guard token.count <= Self.sizeLimit, token.allSatisfy(Self.isTokenByte) else { return nil }
    let parts = token.split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false)
    guard parts.count == 3, let header: TokenHeader = Self.json(parts[0]),
      let claims: TokenClaims = Self.json(parts[1])
    else { return nil }
    self.header = header
    self.claims = claims
  }

  /// The alphabet of base64url without padding (RFC 7515 §2), and the dot.
  private static func isTokenByte(_ byte: UInt8) -> Bool {
    switch byte {
    case UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "a")...UInt8(ascii: "z"),
      UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "_"),
      UInt8(ascii: "."):
      true
    default: false
    }
  }

  private static func json<Value: Decodable>(_ part: ArraySlice<UInt8>) -> Value? {
    guard let bytes = Base64.decode(part) else { return nil }
    return try? JSONDecoder().decode(Value.self, from: Data(bytes))
  }
}

/// The header of a signed token (RFC 7515 §4.1), as far as it is looked at.
struct TokenHeader: Decodable, Sendable {
  let algorithm: String
  let keyID: String?
  let type: String?
  /// Whether it names extensions that have to be understood.
  let hasCritical: Bool

  enum CodingKeys: String, CodingKey {
    case crit
    case algorithm = "alg"
    case keyID = "kid"
    case type = "typ"
  }

  init(from decoder: any Decoder) throws {
    let fields = try decoder.container(keyedBy: CodingKeys.self)
    algorithm = try fields.decode(String.self, forKey: .algorithm)
    keyID = try fields.decodeIfPresent(String.self, forKey: .keyID)
    type = try fields.decodeIfPresent(String.self, forKey: .type)
    hasCritical = fields.contains(.crit)
  }

  /// A token of another kind, such as one for logging out, gives no access (RFC 8725 §3.11).
  var isForAccess: Bool {
    ["jwt", "at+jwt", "application/at+jwt"].contains((type ?? "jwt").lowercased())
  }
}
