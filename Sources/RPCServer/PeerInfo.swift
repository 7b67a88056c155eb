import NIOCore

/// What is known of the other end of a connection; shared by its calls.
final class PeerInfo: Sendable {
  let description: String
  let isPlaintext: Bool
  let certificates: [[UInt8]]

  init(address: SocketAddress?, isPlaintext: Bool, certificates: [[UInt8]] = []) {
    switch address {
    case .v4: description = "\(address?.ipAddress ?? "?"):\(address?.port ?? 0)"
    case .v6: description = "[\(address?.ipAddress ?? "?")]:\(address?.port ?? 0)"
    case .unixDomainSocket: description = "unix"
    case nil: description = "unknown"
    }
    self.isPlaintext = isPlaintext
    self.certificates = certificates
  }
}
