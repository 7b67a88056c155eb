import Crypto
import Foundation
import SwiftASN1
import X509

/// A certificate authority for a developer's machine: ECDSA P-256, keys as files beside it.
///
/// Whoever reads `ca-key.pem` can make any server or client certificate, so it is for development
/// alone; production takes certificates from an authority that keeps its key to itself.
struct DevelopmentCA {
  struct Issued {
    var certificate: String
    var key: String
  }

  let certificate: Certificate
  private let key: Certificate.PrivateKey

  /// What a client's certificate says of it, as the tokens file names it.
  static func identity(ofClient name: String) -> String { "urn:consentd:client:\(name)" }

  private init(certificate: Certificate, key: Certificate.PrivateKey) {
    self.certificate = certificate
    self.key = key
  }

  /// Reads one that was made before.
  init(certificatePEM: String, keyPEM: String) throws {
    certificate = try Certificate(pemEncoded: certificatePEM)
    key = try Certificate.PrivateKey(pemEncoded: keyPEM)
    guard key.publicKey == certificate.publicKey else {
      throw CommandFailure.data("ca-key.pem is not the key of ca.pem")
    }
  }

  /// A new one, valid for five years.
  static func make(now: Date = Date()) throws -> (DevelopmentCA, Issued) {
    let fresh = P256.Signing.PrivateKey()
    let key = Certificate.PrivateKey(fresh)
    let name = try DistinguishedName {
      OrganizationName("consentd development")
      // Two authorities of one name would confuse whoever trusts both.
      CommonName("consentd development CA \(String(UInt32.random(in: 0 ... .max), radix: 16))")
    }
    let certificate = try Certificate(
      version: .v3, serialNumber: Certificate.SerialNumber(), publicKey: key.publicKey,
      notValidBefore: now - 300, notValidAfter: now + 5 * 365 * 86_400, issuer: name, subject: name,
      extensions: Certificate.Extensions {
        Critical(BasicConstraints.isCertificateAuthority(maxPathLength: 0))
        Critical(KeyUsage(keyCertSign: true, cRLSign: true))
        SubjectKeyIdentifier(hash: key.publicKey)
      }, issuerPrivateKey: key)
    let issued = Issued(
      certificate: try certificate.serializeAsPEM().pemString + "\n",
      key: fresh.pemRepresentation + "\n")
    return (DevelopmentCA(certificate: certificate, key: key), issued)
  }

  /// For a server under the given names and addresses.
  func server(hosts: [String], now: Date = Date()) throws -> Issued {
    let names = try hosts.map { host -> GeneralName in
      if let address = IPAddress.bytes(host) {
        return .ipAddress(ASN1OctetString(contentBytes: address[...]))
      }
      guard host.utf8.allSatisfy({ IPAddress.isHostCharacter($0) }), !host.isEmpty else {
        throw CommandFailure.usage("--host \(host) is neither a host name nor an address")
      }
      return .dnsName(host.lowercased())
    }
    return try issue("consentd development server", names, [.serverAuth], days: 397, now)
  }

  /// For a client, named by `identity(ofClient:)`.
  func client(_ name: String, now: Date = Date()) throws -> Issued {
    try issue(
      name, [.uniformResourceIdentifier(Self.identity(ofClient: name))], [.clientAuth], days: 397,
      now)
  }

  private func issue(
    _ commonName: String, _ names: [GeneralName], _ usages: [ExtendedKeyUsage.Usage], days: Double,
    _ now: Date
  ) throws -> Issued {
    let fresh = P256.Signing.PrivateKey()
    let publicKey = Certificate.PrivateKey(fresh).publicKey
    let issued = try Certificate(
      version: .v3, serialNumber: Certificate.SerialNumber(), publicKey: publicKey,
      notValidBefore: now - 300, notValidAfter: now + days * 86_400, issuer: certificate.subject,
      subject: try DistinguishedName { CommonName(commonName) },
      extensions: Certificate.Extensions {
        Critical(BasicConstraints.notCertificateAuthority)
        Critical(KeyUsage(digitalSignature: true))
        try ExtendedKeyUsage(usages)
        SubjectAlternativeNames(names)
        SubjectKeyIdentifier(hash: publicKey)
        AuthorityKeyIdentifier(
          keyIdentifier: try certificate.extensions.subjectKeyIdentifier?.keyIdentifier)
      }, issuerPrivateKey: key)
    return Issued(
      certificate: try issued.serializeAsPEM().pemString + "\n",
      key: fresh.pemRepresentation + "\n")
  }
}

/// Text of an IP address as its bytes.
enum IPAddress {
  static func bytes(_ text: String) -> [UInt8]? {
    var four = in_addr()
    if inet_pton(AF_INET, text, &four) == 1 { return withUnsafeBytes(of: four) { Array($0) } }
    var six = in6_addr()
    if inet_pton(AF_INET6, text, &six) == 1 { return withUnsafeBytes(of: six) { Array($0) } }
    return nil
  }

  static func isHostCharacter(_ byte: UInt8) -> Bool {
    switch byte {
    case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
      UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "."):
      true
    default: false
    }
  }
}
