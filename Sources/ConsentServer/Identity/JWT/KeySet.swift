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

  private let byID: [String: Key]
  /// Keys of the set that are of no use here.
  let passedOver: Int

  var count: Int { byID.count }

  /// - Parameter name: the file's name, for errors.
  init(json: Data, name: String) async throws(TokenFileError) {
    let entries = try KeySetFile<JWK>(json: json, name: name).entries
    var byID: [String: Key] = [:]
    for (index, entry) in entries.enumerated() {
      guard let id = entry.description.id, var jwk = entry.material,
        let algorithm = entry.description.algorithm
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
    passedOver = entries.count - byID.count
  }

  subscript(id: String) -> Key? { byID[id] }
}
