/// What a session announces and enforces.
public struct HTTP2Configuration: Sendable {
  public var concurrentStreams: UInt32 = 128
  public var streamWindow: Int32 = 256 * 1024
  public var connectionWindow: Int32 = 4 * 1024 * 1024
  /// Header list limit: bytes counted with 32 per field, and fields.
  public var headerBytes = 16_384
  public var headerFields = 128
  /// A stream's send queue in bytes; `drained` events come below half of it.
  public var queuedBytesPerStream = 64 * 1024
  /// `nil` trusts the peer (clients).
  public var abuse: AbuseGuard.Limits?

  public init() {}
}

/// Why a session could not be made: nghttp2 is too old or out of memory.
public struct HTTP2SetupError: Error, CustomStringConvertible {
  public let description: String
}
