internal import CZlib

/// Why bytes could not be inflated.
public enum GzipError: Error, Equatable, Sendable {
  /// Not gzip, damaged, or cut short.
  case corrupt
  /// The output would pass the limit given.
  case tooLarge
}

/// The gzip format (RFC 1952) over whole messages.
public enum Gzip {
  /// Inflates `bytes`, stopping as soon as the output passes `limit` bytes, so that a small
  /// message cannot claim large memory.
  public static func inflate(_ bytes: [UInt8], limit: Int) throws(GzipError) -> [UInt8] {
    var stream = unsafe z_stream()
    guard unsafe consentd_gzip_inflate_init(&stream) == Z_OK else { throw .corrupt }
    defer { unsafe inflateEnd(&stream) }
    var output: [UInt8] = []
    var chunk = [UInt8](repeating: 0, count: min(65_536, max(1_024, bytes.count * 4)))
    let result: Result<Void, GzipError> = unsafe bytes.withUnsafeBufferPointer { input in
      unsafe stream.next_in = unsafe UnsafeMutablePointer(mutating: input.baseAddress)
      unsafe stream.avail_in = UInt32(clamping: input.count)
      while true {
        let (status, count) = unsafe chunk.withUnsafeMutableBufferPointer { space in
          unsafe stream.next_out = space.baseAddress
          unsafe stream.avail_out = UInt32(space.count)
          let status = unsafe CZlib.inflate(&stream, Z_NO_FLUSH)
          return (status, unsafe space.count - Int(stream.avail_out))
        }
        guard status == Z_OK || status == Z_STREAM_END else { return .failure(.corrupt) }
        output.append(contentsOf: chunk.prefix(count))
        guard output.count <= limit else { return .failure(.tooLarge) }
        if status == Z_STREAM_END {
          return unsafe stream.avail_in == 0 ? .success(()) : .failure(.corrupt)
        }
        // No progress possible: the input ended inside the data.
        if count == 0, unsafe stream.avail_in == 0 { return .failure(.corrupt) }
      }
    }
    switch result {
    case .success: return output
    case .failure(let error): throw error
    }
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
