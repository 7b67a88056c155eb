import HTTP2
import RPCWire

/// The header list of a gRPC request.
enum RequestFields {
  static func make(
    path: String, metadata: Metadata, timeout: Duration?, configuration: RPCClient.Configuration
  ) -> HTTP2Fields {
    var fields = HTTP2Fields()
    fields.reserve(fields: 10, bytes: 256)
    fields.add(":method", "POST")
    fields.add(":scheme", configuration.tls == nil ? "http" : "https")
    fields.add(":path", path)
    fields.add(":authority", "\(configuration.serverName ?? configuration.host)")
    fields.add("content-type", "application/grpc")
    fields.add("te", "trailers")
    if let timeout { fields.add("grpc-timeout", CallTimeout.formatGRPC(nanoseconds(timeout))) }
    if let token = configuration.bearerToken { fields.add("authorization", "Bearer \(token)") }
    for entry in metadata.entries where Metadata.isLegalUserName(entry.name) {
      if entry.isBinary {
        fields.add(entry.name, Base64.encode(entry.value))
      } else if Metadata.isLegalASCIIValue(entry.value) {
        fields.add(entry.name, entry.value)
      }
    }
    return fields
  }

  static func nanoseconds(_ duration: Duration) -> UInt64 {
    let (seconds, attoseconds) = duration.components
    guard seconds >= 0, attoseconds >= 0 else { return 0 }
    guard seconds < 1 << 32 else { return CallTimeout.longest }
    return UInt64(seconds) * 1_000_000_000 + UInt64(attoseconds / 1_000_000_000)
  }
}
