import NIOSSL
import RPCClient

/// Where the service is.
struct Endpoint {
  var host: String
  var port: Int
  /// `nil` for plaintext.
  var tls: TLSConfiguration?

  var configuration: RPCClient.Configuration { .init(host: host, port: port, tls: tls) }
}

/// What the environment says of trust and of the caller's own certificate.
enum ClientTLS {
  static func hasCertificate(_ environment: [String: String]) -> Bool {
    environment["CONSENTD_CLIENT_CERTIFICATE"] != nil
  }

  static func configuration(_ environment: [String: String]) throws -> TLSConfiguration {
    var configuration = TLSConfiguration.makeClientConfiguration()
    if let path = environment["CONSENTD_CA"] {
      guard let roots = try? NIOSSLCertificate.fromPEMFile(path), !roots.isEmpty else {
        throw CommandFailure.usage("CONSENTD_CA: \(path) holds no certificate")
      }
      configuration.trustRoots = .certificates(roots)
    }
    switch (environment["CONSENTD_CLIENT_CERTIFICATE"], environment["CONSENTD_CLIENT_KEY"]) {
    case (nil, nil): break
    case (let certificate?, let key?):
      guard let chain = try? NIOSSLCertificate.fromPEMFile(certificate), !chain.isEmpty,
        let key = try? NIOSSLPrivateKey(file: key, format: .pem)
      else {
        throw CommandFailure.usage(
          "CONSENTD_CLIENT_CERTIFICATE and CONSENTD_CLIENT_KEY cannot be read as PEM")
      }
      configuration.certificateChain = chain.map { .certificate($0) }
      configuration.privateKey = .privateKey(key)
    default:
      throw CommandFailure.usage(
        "CONSENTD_CLIENT_CERTIFICATE and CONSENTD_CLIENT_KEY go together")
    }
    return configuration
  }
}
