public import NIOSSL

/// What a TLS listener is made of, as PEM text, so that it can be read again while the server runs.
public struct ServerTLS: Sendable {
  public struct Failure: Error, CustomStringConvertible, Sendable {
    public let description: String
  }

  /// The server's certificate first, then the intermediates up to the root, which is left out.
  public var certificateChain: [UInt8]
  /// Unencrypted, in a form BoringSSL reads (PKCS#8, SEC 1 or PKCS#1).
  public var privateKey: [UInt8]
  /// Authorities whose client certificates are believed; `nil` asks no client for one.
  public var clientAuthorities: [UInt8]?
  /// Refuses a client without a certificate at the handshake; else one may come without.
  public var requiresClientCertificate: Bool

  public init(
    certificateChain: [UInt8], privateKey: [UInt8], clientAuthorities: [UInt8]? = nil,
    requiresClientCertificate: Bool = false
  ) {
    self.certificateChain = certificateChain
    self.privateKey = privateKey
    self.clientAuthorities = clientAuthorities
    self.requiresClientCertificate = requiresClientCertificate
  }

  /// - Throws: which of the three cannot be read, or that key and certificate do not fit.
  public func configuration() throws(Failure) -> TLSConfiguration {
    let chain = try ServerTLS.certificates(certificateChain, "the certificate chain")
    guard let key = try? NIOSSLPrivateKey(bytes: privateKey, format: .pem) else {
      throw Failure(
        description: "the private key cannot be read; give it as PEM without a passphrase")
    }
    var configuration = TLSConfiguration.makeServerConfiguration(
      certificateChain: chain.map { .certificate($0) }, privateKey: .privateKey(key))
    _ = try TLSSetup.context(configuration)
    guard let clientAuthorities else { return configuration }
    let roots = try ServerTLS.certificates(clientAuthorities, "the client authorities")
    configuration.trustRoots = .certificates(roots)
    configuration.sendCANameList = true
    // A client's certificate names no host; whom it names is looked up by the interceptor.
    configuration.certificateVerification =
      requiresClientCertificate ? .noHostnameVerification : .optionalVerification
    return configuration
  }

  /// When the server's certificate ends, in seconds since 1970; `nil` if it cannot be read.
  public var notValidAfter: Int64? {
    (try? ServerTLS.certificates(certificateChain, ""))?.first.map { Int64($0.notValidAfter) }
  }

  private static func certificates(
    _ pem: [UInt8], _ what: String
  ) throws(Failure) -> [NIOSSLCertificate] {
    guard let read = try? NIOSSLCertificate.fromPEMBytes(pem), !read.isEmpty else {
      throw Failure(description: "\(what) cannot be read; give it as PEM")
    }
    return read
  }
}
