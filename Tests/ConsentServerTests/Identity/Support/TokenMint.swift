import ConsentCore
import ConsentStore
import Crypto
import Foundation
import RPCWire
import Synchronization

@testable import ConsentServer

/// A clock that a test sets.
final class SetClock: WallClock {
  private let instant: Mutex<Int64>

  init(seconds: Int64) { instant = Mutex(seconds * 1_000_000) }

  func now() -> Instant { Instant(microseconds: instant.withLock { $0 }) }
  func set(seconds: Int64) { set(microseconds: seconds * 1_000_000) }
  func set(microseconds: Int64) { instant.withLock { $0 = microseconds } }
}

/// Makes tokens as an issuer would, and as an attacker would, with nothing of the verifier's.
struct TokenMint {
  static let now: Int64 = 1_767_614_400
  static let organization = "0f7d5a52-6d1c-4f7a-9d5e-2d7f5f2f0001"
  static let otherOrganization = "0f7d5a52-6d1c-4f7a-9d5e-2d7f5f2f0002"

  typealias Fields = [String: any Sendable]

  let p256 = P256.Signing.PrivateKey()
  let p384 = P384.Signing.PrivateKey()
  let ed25519 = Curve25519.Signing.PrivateKey()

  static func header() -> Fields { ["alg": "ES256", "kid": "p256", "typ": "at+jwt"] }

  static func claims() -> Fields {
    [
      "iss": "https://id.example", "aud": "https://consent.example", "sub": "service-7",
      "client_id": "pacs", "exp": now + 300, "iat": now - 1, "org": organization,
      "scope": "openid system/Consent.rs",
    ]
  }

  /// A token that is good but for what `change` does to it before it is signed.
  func token(_ change: (inout Fields, inout Fields) -> Void = { _, _ in }) throws -> String {
    var header = Self.header()
    var claims = Self.claims()
    change(&header, &claims)
    return try signed(header, claims) { Array(try p256.signature(for: $0).rawRepresentation) }
  }

  func signed(
    _ header: Fields, _ claims: Fields, by sign: (Data) throws -> [UInt8]
  ) throws -> String {
    let text = try Self.part(header) + "." + Self.part(claims)
    return text + "." + Self.base64URL(try sign(Data(text.utf8)))
  }

  static func part(_ fields: Fields) throws -> String {
    base64URL(Array(try JSONSerialization.data(withJSONObject: fields)))
  }

  static func base64URL(_ bytes: [UInt8]) -> String {
    String(decoding: Base64.encode(bytes), as: UTF8.self)
      .replacing("+", with: "-").replacing("/", with: "_")
  }

  static func elliptic(_ id: String, _ curve: String, _ raw: Data) -> Fields {
    let half = raw.count / 2
    return [
      "kty": "EC", "crv": curve, "kid": id, "use": "sig",
      "x": base64URL(Array(raw.prefix(half))), "y": base64URL(Array(raw.suffix(half))),
    ]
  }

  var keySet: [Fields] {
    [
      Self.elliptic("p256", "P-256", p256.publicKey.rawRepresentation),
      Self.elliptic("p384", "P-384", p384.publicKey.rawRepresentation),
      [
        "kty": "OKP", "crv": "Ed25519", "kid": "ed", "alg": "EdDSA",
        "x": Self.base64URL(Array(ed25519.publicKey.rawRepresentation)),
      ],
      // What real sets hold beside: passed over.
      ["kty": "RSA", "kid": "enc", "use": "enc", "alg": "RSA-OAEP", "n": "AQAB", "e": "AQAB"],
      ["kty": "oct", "kid": "shared", "k": "c2VjcmV0"],
    ]
  }

  /// An issuers file with the mint's key set, in a folder of its own.
  func issuers(_ change: (inout Fields) -> Void = { _ in }) async throws -> IssuerFile {
    let folder = FileManager.default.temporaryDirectory
      .appendingPathComponent("consentd-issuers-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: folder) }
    var entry: Fields = [
      "name": "idp", "issuer": "https://id.example", "audience": ["https://consent.example"],
      "jwks": "jwks.json", "organization_claim": "org", "organizations": [Self.organization],
    ]
    change(&entry)
    try JSONSerialization.data(withJSONObject: ["keys": keySet])
      .write(to: folder.appendingPathComponent("jwks.json"))
    let path = folder.appendingPathComponent("issuers.json")
    try JSONSerialization.data(withJSONObject: ["issuers": [entry]]).write(to: path)
    return try await IssuerFile.load(path.path)
  }
}
