import ArgumentParser
import Foundation

/// Where the service listens, and with which certificate.
struct ListenOptions: ParsableArguments {
  @Option(
    help: ArgumentHelp("Address to listen on; port 0 takes a free one.", valueName: "host:port"))
  var listen = "127.0.0.1:8080"

  @Option(
    help: ArgumentHelp("Server certificate, then its intermediates, PEM.", valueName: "file"))
  var tlsCertificate: String?

  @Option(help: ArgumentHelp("Key of the certificate, PEM, mode 0600.", valueName: "file"))
  var tlsKey: String?

  @Option(
    help: ArgumentHelp(
      "Authorities whose client certificates are believed, PEM; --tokens names their holders.",
      valueName: "file"))
  var clientCA: String?

  @Flag(help: "Refuse clients without a certificate at the handshake.")
  var requireClientCertificate = false

  @Option(
    help: ArgumentHelp(
      "Beside TLS, listen on this loopback address without it, for neighbours and probes.",
      valueName: "host:port"))
  var listenPlaintext: String?

  @Flag(
    help: "Allow --listen without TLS on other than loopback: tokens cross the network in clear.")
  var plaintextOnNetwork = false

  func listening() throws(StartFailure) -> Listening {
    var listening = Listening(
      address: try ListenAddress(listen, option: "--listen"), plaintext: nil, tls: nil,
      isPlaintextOnNetwork: false)
    switch (tlsCertificate, tlsKey) {
    case (nil, nil): break
    case (let certificate?, let key?):
      listening.tls = TLSFiles(
        certificate: certificate, key: key, clientAuthorities: clientCA,
        requiresClientCertificate: requireClientCertificate)
    default:
      throw StartFailure(.usage, "--tls-certificate and --tls-key go together")
    }
    guard clientCA == nil || listening.tls != nil else {
      throw StartFailure(.usage, "--client-ca needs --tls-certificate and --tls-key")
    }
    guard !requireClientCertificate || clientCA != nil else {
      throw StartFailure(.usage, "--require-client-certificate needs --client-ca")
    }
    if let listenPlaintext {
      guard listening.tls != nil else {
        throw StartFailure(
          .usage, "--listen-plaintext stands beside a TLS listener; without TLS use --listen")
      }
      let address = try ListenAddress(listenPlaintext, option: "--listen-plaintext")
      guard address.isLoopback else {
        throw StartFailure(.usage, "--listen-plaintext takes a loopback address")
      }
      listening.plaintext = address
    }
    if listening.tls == nil, !listening.address.isLoopback {
      guard plaintextOnNetwork else {
        throw StartFailure(
          .usage,
          "--listen on other than loopback needs --tls-certificate and --tls-key: bearer tokens "
            + "must not cross a network in the clear (--plaintext-on-network allows it)")
      }
      listening.isPlaintextOnNetwork = true
    }
    return listening
  }
}

/// What `ListenOptions` come to.
struct Listening {
  var address: ListenAddress
  var plaintext: ListenAddress?
  var tls: TLSFiles?
  var isPlaintextOnNetwork: Bool
}

/// `host:port`, `[v6]:port`.
struct ListenAddress: Equatable {
  var host: String
  var port: Int

  init(_ text: String, option: String) throws(StartFailure) {
    guard let colon = text.lastIndex(of: ":"), let port = Int(text[text.index(after: colon)...]),
      (0...65_535).contains(port)
    else { throw StartFailure(.usage, "\(option) is HOST:PORT, such as 127.0.0.1:8080") }
    var host = text[..<colon]
    if host.hasPrefix("["), host.hasSuffix("]") { host = host.dropFirst().dropLast() }
    guard !host.isEmpty else {
      throw StartFailure(.usage, "\(option) needs a host; 0.0.0.0 or [::] stand for every address")
    }
    self.host = String(host)
    self.port = port
  }

  /// Addresses of RFC 1122 §3.2.1.3 (g) and RFC 4291 §2.5.3. A name other than `localhost` may lead
  /// anywhere.
  var isLoopback: Bool {
    if host == "localhost" || host == "::1" { return true }
    let parts = host.split(separator: ".", omittingEmptySubsequences: false)
    return parts.count == 4 && parts[0] == "127" && parts.allSatisfy { UInt8($0) != nil }
  }
}
