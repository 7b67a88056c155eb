/// What one key of a set says of its use (RFC 7517 §4), beside the key itself.
struct KeyDescription: Decodable, Sendable {
  /// Key type and curve, and what such a key may verify; the first is meant where a key names none.
  static let algorithms: [String: [String]] = [
    "RSA": ["RS256", "PS256"], "EC P-256": ["ES256"], "EC P-384": ["ES384"],
    "OKP Ed25519": ["EdDSA"],
  ]
  /// Digits of a modulus of 8192 bits; a longer one makes verification slow.
  private static let modulusLimit = 1_400

  let id: String?
  let isPrivate: Bool
  /// The one algorithm that the key verifies; `nil` for a key that is of no use here.
  let algorithm: String?

  enum CodingKeys: String, CodingKey {
    case kid, kty, crv, use, alg, d, n
    case operations = "key_ops"
  }

  init(from decoder: any Decoder) throws {
    let fields = try decoder.container(keyedBy: CodingKeys.self)
    id = try fields.decodeIfPresent(String.self, forKey: .kid)
    isPrivate = fields.contains(.d)
    let use = try fields.decodeIfPresent(String.self, forKey: .use) ?? "sig"
    let operations = try fields.decodeIfPresent([String].self, forKey: .operations) ?? ["verify"]
    let modulus = try fields.decodeIfPresent(String.self, forKey: .n) ?? ""
    let kind = [
      try fields.decodeIfPresent(String.self, forKey: .kty),
      try fields.decodeIfPresent(String.self, forKey: .crv),
    ].compactMap { $0 }.joined(separator: " ")
    guard use == "sig", operations.contains("verify"), modulus.utf8.count <= Self.modulusLimit,
      let algorithms = Self.algorithms[kind]
    else {
      algorithm = nil
      return
    }
    let named = try fields.decodeIfPresent(String.self, forKey: .alg) ?? algorithms[0]
    algorithm = algorithms.contains(named) ? named : nil
  }
}
