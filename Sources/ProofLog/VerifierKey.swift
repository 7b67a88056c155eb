internal import Crypto

/// A public key of a signed note (C2SP signed-note): `<name>+<key hash>+<base64 of 0x01 || key>`.
public struct VerifierKey: Hashable, Sendable {
  public let name: String
  /// The first four bytes of SHA-256(name || 0x0A || 0x01 || key).
  public let keyHash: UInt32
  /// Ed25519, 32 bytes.
  public let publicKey: [UInt8]

  /// The signature type of C2SP signed-note for Ed25519.
  static let ed25519: UInt8 = 1

  public init?(name: String, publicKey: [UInt8]) {
    guard Self.isKeyName(name), publicKey.count == 32 else { return nil }
    self.name = name
    self.publicKey = publicKey
    keyHash = Self.hash(name: name, publicKey: publicKey)
  }

  /// `nil` unless the hash is that of name and key.
  public init?(text: some StringProtocol) {
    let parts = text.split(separator: "+", maxSplits: 2, omittingEmptySubsequences: false)
    guard parts.count == 3, parts[1].utf8.count == 8, let key = Base64.decode(parts[2]),
      key.first == Self.ed25519
    else { return nil }
    self.init(name: String(parts[0]), publicKey: Array(key.dropFirst()))
    guard parts[1] == Self.hexadecimal(keyHash) else { return nil }
  }

  public var text: String {
    name + "+" + Self.hexadecimal(keyHash) + "+" + Base64.encode([Self.ed25519] + publicKey)
  }

  /// Whether it is an Ed25519 signature of `message` by this key.
  public func isValid(_ signature: [UInt8], for message: [UInt8]) -> Bool {
    guard let key = try? Curve25519.Signing.PublicKey(rawRepresentation: publicKey) else {
      return false
    }
    return key.isValidSignature(signature, for: message)
  }

  static func hash(name: String, publicKey: [UInt8]) -> UInt32 {
    SHA256.hash(data: Array(name.utf8) + [0x0A, ed25519] + publicKey)
      .prefix(4).reduce(0) { $0 << 8 | UInt32($1) }
  }

  /// Not empty, without spaces and plus signs (C2SP signed-note).
  public static func isKeyName(_ name: String) -> Bool {
    !name.isEmpty
      && name.unicodeScalars.allSatisfy { scalar in
        !scalar.properties.isWhitespace && scalar != "+" && scalar.value >= 0x20
      }
  }

  /// Eight digits.
  static func hexadecimal(_ value: UInt32) -> String {
    let digits = String(value, radix: 16)
    return String(repeating: "0", count: 8 - digits.count) + digits
  }
}
