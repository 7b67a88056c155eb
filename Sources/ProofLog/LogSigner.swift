internal import Crypto

/// The keys of a log: the first signs, all verify, so that a new key takes over while what older
/// ones signed stays verifiable.
///
/// A key file has one key a line, `PRIVATE+KEY+<name>+<key hash>+<base64 of 0x01 || seed>`; blank
/// lines and lines that begin with `#` are passed over.
public struct LogSigner: Sendable {
  private let key: Curve25519.Signing.PrivateKey
  /// The signing key first.
  public let verifierKeys: [VerifierKey]

  public var verifierKey: VerifierKey { verifierKeys[0] }

  public enum Fault: Error, Hashable, Sendable {
    /// The file holds no key.
    case noKey
    /// This line, counted from 1, is not a private key. What it says is not repeated here.
    case notAKey(line: Int)
  }

  public init(keyFile: String) throws(Fault) {
    var keys: [(Curve25519.Signing.PrivateKey, VerifierKey)] = []
    let lines = keyFile.split(omittingEmptySubsequences: false) { $0 == "\n" || $0 == "\r\n" }
    for (number, line) in lines.enumerated() where !line.isEmpty && !line.hasPrefix("#") {
      guard let key = Self.parse(line) else { throw .notAKey(line: number + 1) }
      keys.append(key)
    }
    guard let first = keys.first else { throw .noKey }
    key = first.0
    verifierKeys = keys.map(\.1)
  }

  /// A line of a key file with a new key.
  /// - Returns: `nil` unless `name` may name a key.
  public static func newKey(name: String) -> String? {
    let key = Curve25519.Signing.PrivateKey()
    guard let verifier = VerifierKey(name: name, publicKey: Array(key.publicKey.rawRepresentation))
    else { return nil }
    return prefix + name + "+" + VerifierKey.hexadecimal(verifier.keyHash) + "+"
      + Base64.encode([VerifierKey.ed25519] + Array(key.rawRepresentation))
  }

  private static let prefix = "PRIVATE+KEY+"

  private static func parse(
    _ line: Substring
  ) -> (Curve25519.Signing.PrivateKey, VerifierKey)? {
    guard line.hasPrefix(prefix) else { return nil }
    let parts = line.dropFirst(prefix.count)
      .split(separator: "+", maxSplits: 2, omittingEmptySubsequences: false)
    guard parts.count == 3, let bytes = Base64.decode(parts[2]), bytes.count == 33,
      bytes[0] == VerifierKey.ed25519,
      let key = try? Curve25519.Signing.PrivateKey(rawRepresentation: bytes.dropFirst()),
      let verifier = VerifierKey(
        name: String(parts[0]), publicKey: Array(key.publicKey.rawRepresentation)),
      parts[1] == VerifierKey.hexadecimal(verifier.keyHash)
    else { return nil }
    return (key, verifier)
  }

  /// Ed25519 over the text, 64 bytes.
  /// - Throws: what the cryptography reports; nothing is then signed.
  public func signature(of text: String) throws -> [UInt8] {
    Array(try key.signature(for: Array(text.utf8)))
  }

  /// `text`, which ends with a newline, as a signed note.
  public func sign(_ text: String) throws -> SignedNote {
    var note = SignedNote(text: text)
    note.signatures.append(
      SignedNote.Signature(
        name: verifierKey.name, keyHash: verifierKey.keyHash, bytes: try signature(of: text)))
    return note
  }
}
