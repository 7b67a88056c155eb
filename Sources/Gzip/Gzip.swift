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

  /// Inflates `bytes` into exactly the memory that they claim, and not a byte beyond it: data that
  /// makes more than it claims is damaged.
  public static func inflate(_ bytes: [UInt8], limit: Int) throws(GzipError) -> [UInt8] {
    guard let size = claimedSize(of: bytes) else { throw .corrupt }
    guard size <= limit else { throw .tooLarge }
    var stream = unsafe z_stream()
    guard unsafe consentd_gzip_inflate_init(&stream) == Z_OK else { throw .corrupt }
    defer { unsafe inflateEnd(&stream) }
    var isWhole = false
    // One byte more than claimed: zlib takes no empty space.
    let output = unsafe [UInt8](unsafeUninitializedCapacity: size + 1) { space, count in
      unsafe bytes.withUnsafeBufferPointer { input in
        unsafe stream.next_in = unsafe UnsafeMutablePointer(mutating: input.baseAddress)
        unsafe stream.avail_in = UInt32(clamping: input.count)
        unsafe stream.next_out = space.baseAddress
        unsafe stream.avail_out = UInt32(clamping: size + 1)
        let status = unsafe CZlib.inflate(&stream, Z_FINISH)
        // What follows the end is not ours to ignore.
        isWhole = unsafe status == Z_STREAM_END && stream.avail_in == 0
        count = unsafe size + 1 - Int(stream.avail_out)
      }
    }
    guard isWhole, output.count == size else { throw .corrupt }
    return output
  }

  /// Deflates `bytes`; `nil` when zlib has no memory or the result is not smaller.
  public static func deflate(_ bytes: [UInt8], level: Int32 = 1) -> [UInt8]? {
    var stream = unsafe z_stream()
    guard unsafe consentd_gzip_deflate_init(&stream, level) == Z_OK else { return nil }
    defer { unsafe deflateEnd(&stream) }
    var output = [UInt8](repeating: 0, count: bytes.count)
    let written: Int? = unsafe bytes.withUnsafeBufferPointer { input in
      unsafe output.withUnsafeMutableBufferPointer { space in
        unsafe stream.next_in = unsafe UnsafeMutablePointer(mutating: input.baseAddress)
        unsafe stream.avail_in = UInt32(clamping: input.count)
        unsafe stream.next_out = space.baseAddress
        unsafe stream.avail_out = UInt32(clamping: space.count)
        guard unsafe CZlib.deflate(&stream, Z_FINISH) == Z_STREAM_END else { return nil }
        return unsafe space.count - Int(stream.avail_out)
      }
    }
    guard let written, written < bytes.count else { return nil }
    output.removeSubrange(written...)
    return output
  }
}
