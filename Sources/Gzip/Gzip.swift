internal import CZlib

/// Why bytes could not be inflated.
public enum GzipError: Error, Equatable, Sendable {
  /// Not gzip, damaged, or cut short.
  case corrupt
  /// The output claims to be above the limit given.
  case tooLarge
}

/// The gzip format (RFC 1952) over whole messages.
public enum Gzip {
  /// The length that gzip data says its contents have, modulo 2^32 (RFC 1952, ISIZE), so that it can
  /// be refused or counted before it is made; `nil` for what is no gzip data by its first bytes, its
  /// length, or a claim beyond what deflate can pack.
  public static func claimedSize(of bytes: [UInt8]) -> Int? {
    guard bytes.count >= 18, bytes.starts(with: [0x1f, 0x8b, 8]) else { return nil }
    var size = 0
    for byte in bytes.suffix(4).reversed() { size = size << 8 | Int(byte) }
    return size / mostPacked < bytes.count ? size : nil
  }

  /// Bytes that one byte of deflate can stand for (zlib's technical details: 258 in two bits).
  private static let mostPacked = 1_032

  /// Inflates `bytes`, and not a byte beyond what they claim: data that makes more is damaged.
  public static func inflate(_ bytes: [UInt8], limit: Int) throws(GzipError) -> [UInt8] {
    guard let size = claimedSize(of: bytes) else { throw .corrupt }
    guard size <= limit else { throw .tooLarge }
    var output: [UInt8] = []
    output.reserveCapacity(size)
    try inflate(bytes, claiming: size, onto: &output)
    return output
  }

  /// How much is inflated at a time.
  private static let piece = 32_768

  /// The same, at the end of memory that the caller has made for what is claimed.
  public static func inflate(
    _ bytes: [UInt8], claiming size: Int, onto output: inout [UInt8]
  ) throws(GzipError) {
    var stream = unsafe z_stream()
    guard unsafe consentd_gzip_inflate_init(&stream) == Z_OK else { throw .corrupt }
    defer { unsafe inflateEnd(&stream) }
    var left = size
    let isWhole = unsafe bytes.withUnsafeBufferPointer { input in
      unsafe withUnsafeTemporaryAllocation(of: UInt8.self, capacity: piece) { space in
        unsafe stream.next_in = unsafe UnsafeMutablePointer(mutating: input.baseAddress)
        unsafe stream.avail_in = UInt32(clamping: input.count)
        while true {
          unsafe stream.next_out = space.baseAddress
          unsafe stream.avail_out = UInt32(clamping: space.count)
          let status = unsafe CZlib.inflate(&stream, Z_NO_FLUSH)
          let made = unsafe space.count - Int(stream.avail_out)
          guard made <= left, status == Z_OK || status == Z_STREAM_END else { return false }
          left -= made
          unsafe output.append(contentsOf: UnsafeBufferPointer(rebasing: space[..<made]))
          // What follows the end is not ours to ignore.
          if status == Z_STREAM_END { return unsafe left == 0 && stream.avail_in == 0 }
          if made == 0 { return false }
        }
      }
    }
    guard isWhole else { throw .corrupt }
  }

  /// Deflates `bytes`; `nil` when zlib has no memory or the result is not smaller.
  ///
  /// The result grows as it is made: most are a small part of what they stand for.
  public static func deflate(_ bytes: [UInt8], level: Int32 = 1) -> [UInt8]? {
    var stream = unsafe z_stream()
    guard unsafe consentd_gzip_deflate_init(&stream, level) == Z_OK else { return nil }
    defer { unsafe deflateEnd(&stream) }
    var output: [UInt8] = []
    let isWhole = unsafe bytes.withUnsafeBufferPointer { input in
      unsafe withUnsafeTemporaryAllocation(of: UInt8.self, capacity: piece) { space in
        unsafe stream.next_in = unsafe UnsafeMutablePointer(mutating: input.baseAddress)
        unsafe stream.avail_in = UInt32(clamping: input.count)
        while true {
          unsafe stream.next_out = space.baseAddress
          unsafe stream.avail_out = UInt32(clamping: space.count)
          let status = unsafe CZlib.deflate(&stream, Z_FINISH)
          guard status == Z_OK || status == Z_STREAM_END else { return false }
          let made = unsafe space.count - Int(stream.avail_out)
          unsafe output.append(contentsOf: UnsafeBufferPointer(rebasing: space[..<made]))
          guard output.count < input.count else { return false }
          if status == Z_STREAM_END { return true }
        }
      }
    }
    return isWhole ? output : nil
  }
}
