import Foundation
import JWTKit

/// The public keys of one issuer (RFC 7517), by key id, each bound to the one algorithm it verifies.
///
/// The binding is what makes a token's `alg` harmless: it is compared with the key's own and never
/// chooses anything (RFC 8725 §3.1). Keys for encryption, symmetric keys and algorithms outside of
/// `KeyDescription` are passed over; a set that holds a private key is refused as a whole.
struct KeySet: Sendable {
  struct Key: Sendable {
    let algorithm: String
    /// Holds this key alone, so that no other one can be taken instead.
    let verifier: JWTKeyCollection
  }

  static let keyLimit = 64

  private let byID: [String: Key]
  /// Keys of the set that are of no use here.
  let passedOver: Int

  var count: Int { byID.count }

  /// - Parameter name: the file's name, for errors.
  init(json: Data, name: String) async throws(TokenFileError) {
    guard let file = try? JSONDecoder().decode(File.self, from: json) else {
      throw TokenFileError("\(name) is not a JSON Web Key Set: {\"keys\":[…]}")
    }
    guard file.keys.count <= Self.keyLimit else {
      throw TokenFileError("\(name) has more than \(Self.keyLimit) keys")
    }
    var byID: [String: Key] = [:]
    for (index, entry) in file.keys.enumerated() {
      let description = entry.description
      guard !description.isPrivate else {
        throw TokenFileError(
          "\(name): keys[\(index)] is a private key; give the public part alone, and replace the key"
        )
      }
      guard let id = description.id, var jwk = entry.jwk, let algorithm = description.algorithm
      else { continue }
      jwk.algorithm = JWK.Algorithm(rawValue: algorithm)
      let verifier = JWTKeyCollection()
      guard (try? await verifier.add(jwk: jwk)) != nil else { continue }
      guard byID.updateValue(Key(algorithm: algorithm, verifier: verifier), forKey: id) == nil
      else { throw TokenFileError("\(name): keys[\(index)] repeats the kid of an earlier key") }
    }
    guard !byID.isEmpty else {
      throw TokenFileError(
        "\(name) has no key with a kid for RS256, PS256, ES256, ES384 or EdDSA (RSA: 2048 bits)")
    }
    self.byID = byID
    passedOver = file.keys.count - byID.count
  }

  subscript(id: String) -> Key? { byID[id] }
}

extension KeySet {
  private struct File: Decodable {
    var keys: [Entry]
  }

  /// One key as it stands in the file; a key that cannot be read is `nil`.
  private struct Entry: Decodable {
    var description: KeyDescription
    var jwk: JWK?

    init(from decoder: any Decoder) throws {
      description = try KeyDescription(from: decoder)
      jwk = try? JWK(from: decoder)
    }
  }
}
