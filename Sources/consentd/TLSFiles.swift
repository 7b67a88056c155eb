import Foundation
import RPCServer

/// The files of a TLS listener, read at the start and again when they change.
struct TLSFiles: Sendable {
  var certificate: String
  var key: String
  var clientAuthorities: String?
  var requiresClientCertificate: Bool

  var paths: [String] { [certificate, key] + (clientAuthorities.map { [$0] } ?? []) }

  func read() throws(StartFailure) -> ServerTLS {
    ServerTLS(
      certificateChain: try contents(certificate, "the certificate"),
      privateKey: Array(try PrivateFile.read(key, what: "the TLS key").utf8),
      clientAuthorities: try clientAuthorities.map { path throws(StartFailure) in
        try contents(path, "the client authorities")
      },
      requiresClientCertificate: requiresClientCertificate)
  }

  private func contents(_ path: String, _ what: String) throws(StartFailure) -> [UInt8] {
    guard let data = FileManager.default.contents(atPath: path) else {
      throw StartFailure(.configuration, "cannot read \(what) from \(path); check its permissions")
    }
    return Array(data)
  }
}
