/// A state of a log (C2SP tlog-checkpoint): origin, size and root, each on a line of its own.
public struct Checkpoint: Hashable, Sendable {
  /// Names the log; not empty.
  public var origin: String
  public var size: UInt64
  public var root: TreeHash
  /// Lines that others may have added; this service writes none.
  public var extensions: [String] = []

  public init(origin: String, size: UInt64, root: TreeHash) {
    self.origin = origin
    self.size = size
    self.root = root
  }

  /// The signed text.
  public var text: String {
    ([origin, String(size), Base64.encode(root.bytes)] + extensions)
      .reduce(into: "") { $0 += $1 + "\n" }
  }

  /// `nil` unless `text` is exactly what `text` gives.
  public init?(text: String) {
    guard text.utf8.last == 0x0A else { return nil }
    let lines = text.utf8.dropLast().split(separator: 0x0A, omittingEmptySubsequences: false)
      .map { String(decoding: $0, as: UTF8.self) }
    guard lines.count >= 3, !lines[0].isEmpty, let size = UInt64(lines[1]),
      let bytes = Base64.decode(lines[2]), let root = TreeHash(bytes)
    else { return nil }
    self.init(origin: lines[0], size: size, root: root)
    extensions = Array(lines.dropFirst(3))
    // Refuses signs, leading zeros and empty extension lines.
    guard Array(self.text.utf8) == Array(text.utf8), !extensions.contains("") else { return nil }
  }

  /// Reads a signed checkpoint of `origin`.
  /// - Throws: `SignedNote.Fault`; `.malformed` also for the checkpoint of another log.
  public init(
    note: String, origin: String, keys: [VerifierKey]
  ) throws(SignedNote.Fault) {
    let signed = try SignedNote(parsing: note)
    _ = try signed.verify(keys)
    guard let checkpoint = Checkpoint(text: signed.text), checkpoint.origin == origin else {
      throw .malformed
    }
    self = checkpoint
  }
}
