import Foundation
import SwiftASN1
import X509

/// What is read of a client certificate that the handshake has verified.
struct ClientCertificate: Sendable {
  let identities: [CertificateIdentity]
  /// Microseconds since 1970 after which it is not valid any more, also on a connection still open.
  let notValidAfter: Int64

  /// `nil` if it cannot be read as a whole: a certificate half understood names nobody.
  init?(der: [UInt8], sha256: [UInt8]) {
    guard let certificate = try? Certificate(derEncoded: der) else { return nil }
    var identities = [CertificateIdentity.pin(sha256)]
    do {
      for name in try certificate.extensions.subjectAlternativeNames ?? SubjectAlternativeNames() {
        switch name {
        case .uniformResourceIdentifier(let uri): identities.append(.uri(uri))
        case .dnsName(let name): identities.append(.dns(name.lowercased()))
        case .rfc822Name(let address): identities.append(.email(address))
        default: break
        }
      }
    } catch {
      return nil
    }
    self.identities = identities
    let seconds = certificate.notValidAfter.timeIntervalSince1970
    notValidAfter = Int64(exactly: (seconds * 1_000_000).rounded()) ?? .min
  }
}
