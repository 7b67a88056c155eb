/// A text with signatures (C2SP signed-note): the text, which ends with a newline, an empty line,
/// and lines `— <key name> <base64 of key hash || signature>`.
public struct SignedNote: Hashable, Sendable {
  public struct Signature: Hashable, Sendable {
    public var name: String
    public var keyHash: UInt32
    public var bytes: [UInt8]

    public init(name: String, keyHash: UInt32, bytes: [UInt8]) {
      self.name = name
      self.keyHash = keyHash
      self.bytes = bytes
    }
  }

  public enum Fault: Error, Hashable, Sendable {
    case malformed
    /// A signature by a known key is not valid.
    case invalidSignature(name: String)
    /// No known key signed it.
    case notSigned
  }

  /// Longer notes are refused unread.
  static let longest = 1_000_000
  static let mostSignatures = 100
  private static let dash = "\u{2014} "

  public var text: String
  public var signatures: [Signature] = []

  public init(text: String, signatures: [Signature] = []) {
    self.text = text
    self.signatures = signatures
  }

  public init(parsing note: String) throws(Fault) {
    // Compared as bytes: two texts that Unicode calls equal are not the same note.
    let bytes = Array(note.utf8)
    guard bytes.count <= Self.longest, bytes.last == 0x0A,
      bytes.allSatisfy({ $0 >= 0x20 || $0 == 0x0A }),
      let end = bytes.indices.dropFirst().last(where: { bytes[$0] == 0x0A && bytes[$0 - 1] == 0x0A }
      )
    else { throw .malformed }
    text = String(decoding: bytes[..<end], as: UTF8.self)
    let lines = bytes[(end + 1)...].dropLast()
      .split(separator: 0x0A, omittingEmptySubsequences: false)
    guard lines.count <= Self.mostSignatures else { throw .malformed }
    for line in lines {
      let line = String(decoding: line, as: UTF8.self)
      guard line.hasPrefix(Self.dash) else { throw .malformed }
      let parts = line.dropFirst(Self.dash.count)
        .split(separator: " ", maxSplits: 1, omittingEmptySubsequences: false)
      guard parts.count == 2, VerifierKey.isKeyName(String(parts[0])),
        let value = Base64.decode(parts[1]), value.count > 4
      else { throw .malformed }
      signatures.append(
        Signature(
          name: String(parts[0]), keyHash: value.prefix(4).reduce(0) { $0 << 8 | UInt32($1) },
          bytes: Array(value.dropFirst(4))))
    }
    guard !signatures.isEmpty else { throw .malformed }
  }

  /// The note as it is handed out.
  public var formatted: String {
    signatures.reduce(into: text + "\n") { note, signature in
      let hash = (0..<4).map { UInt8(truncatingIfNeeded: signature.keyHash >> UInt32(24 - 8 * $0)) }
      note += Self.dash + signature.name + " " + Base64.encode(hash + signature.bytes) + "\n"
    }
  }

  /// - Returns: the known keys that signed; at least one.
  /// - Throws: `Fault`; signatures by unknown keys are passed over.
  public func verify(_ keys: [VerifierKey]) throws(Fault) -> [VerifierKey] {
    var signers: [VerifierKey] = []
    for signature in signatures {
      for key in keys where key.name == signature.name && key.keyHash == signature.keyHash {
        guard key.isValid(signature.bytes, for: Array(text.utf8)) else {
          throw .invalidSignature(name: key.name)
        }
        if !signers.contains(key) { signers.append(key) }
      }
    }
    guard !signers.isEmpty else { throw .notSigned }
    return signers
  }
}
