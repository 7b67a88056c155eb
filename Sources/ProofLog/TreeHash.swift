internal import Crypto

/// One hash of an RFC 6962 tree: SHA-256, 32 bytes, held in four words so that a tree in memory
/// allocates nothing for it.
public struct TreeHash: Hashable, Sendable {
  /// Big-endian: the first word holds the first eight bytes.
  var words: (UInt64, UInt64, UInt64, UInt64)

  public static let byteCount = 32

  /// `nil` unless there are exactly 32 bytes.
  public init?(_ bytes: some Collection<UInt8>) {
    guard bytes.count == TreeHash.byteCount else { return nil }
    var words: (UInt64, UInt64, UInt64, UInt64) = (0, 0, 0, 0)
    var index = 0
    for byte in bytes {
      switch index / 8 {
      case 0: words.0 = words.0 << 8 | UInt64(byte)
      case 1: words.1 = words.1 << 8 | UInt64(byte)
      case 2: words.2 = words.2 << 8 | UInt64(byte)
      default: words.3 = words.3 << 8 | UInt64(byte)
      }
      index += 1
    }
    self.words = words
  }

  init(_ digest: SHA256Digest) {
    words = unsafe digest.withUnsafeBytes { raw in
      func word(_ index: Int) -> UInt64 {
        unsafe UInt64(bigEndian: raw.loadUnaligned(fromByteOffset: index * 8, as: UInt64.self))
      }
      return (word(0), word(1), word(2), word(3))
    }
  }

  public var bytes: [UInt8] {
    var bytes: [UInt8] = []
    bytes.reserveCapacity(TreeHash.byteCount)
    for word in [words.0, words.1, words.2, words.3] {
      for shift in stride(from: 56, through: 0, by: -8) {
        bytes.append(UInt8(truncatingIfNeeded: word >> UInt64(shift)))
      }
    }
    return bytes
  }

  public static func == (a: TreeHash, b: TreeHash) -> Bool { a.words == b.words }

  public func hash(into hasher: inout Hasher) {
    hasher.combine(words.0)
    hasher.combine(words.3)
  }

  /// MTH({}) = SHA-256(): the root of a tree without leaves (RFC 6962 section 2.1).
  public static let empty = TreeHash(SHA256.hash(data: [UInt8]()))

  /// SHA-256(0x00 || record) (RFC 6962 section 2.1).
  public static func leaf(_ record: some Sequence<UInt8>) -> TreeHash {
    let found = record.withContiguousStorageIfAvailable { bytes -> TreeHash in
      var hasher = SHA256()
      unsafe withUnsafeBytes(of: UInt8(0)) { unsafe hasher.update(bufferPointer: $0) }
      unsafe hasher.update(bufferPointer: UnsafeRawBufferPointer(bytes))
      return TreeHash(hasher.finalize())
    }
    return found ?? leaf(Array(record))
  }

  /// SHA-256(0x01 || left || right) (RFC 6962 section 2.1).
  public static func node(_ left: TreeHash, _ right: TreeHash) -> TreeHash {
    let (a, b) = (left.words, right.words)
    let form = (
      a.0.bigEndian, a.1.bigEndian, a.2.bigEndian, a.3.bigEndian,
      b.0.bigEndian, b.1.bigEndian, b.2.bigEndian, b.3.bigEndian
    )
    var hasher = SHA256()
    unsafe withUnsafeBytes(of: UInt8(1)) { unsafe hasher.update(bufferPointer: $0) }
    unsafe withUnsafeBytes(of: form) { unsafe hasher.update(bufferPointer: $0) }
    return TreeHash(hasher.finalize())
  }
}
