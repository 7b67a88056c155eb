import ConsentCore
import Crypto
import Synchronization

public import ConsentStore

/// Everybody who may call, now: the named callers and the issuers whose tokens are believed. Either
/// can be replaced while calls go on; the next call is judged by the new one.
public final class CallerDirectory: Sendable {
  private struct Known {
    var tokens: TokenFile
    var issuers: JWTVerifier?
    /// Certificates read before, by their hash; `nil` for one that cannot be read.
    var certificates: [[UInt8]: ClientCertificate?] = [:]
  }

  /// Above it the certificates are forgotten and read again.
  private static let certificateLimit = 1_024

  private let known: Mutex<Known>
  private let clock: any WallClock

  /// - Parameter issuers: `nil` believes no token signed by others.
  public init(tokens: TokenFile, issuers: IssuerFile? = nil, clock: any WallClock) {
    self.clock = clock
    known = Mutex(
      Known(tokens: tokens, issuers: issuers.map { JWTVerifier($0, clock: clock) }))
  }

  public var tokens: TokenFile { known.withLock { $0.tokens } }

  public var issuers: IssuerFile? { known.withLock { $0.issuers?.file } }

  public func replace(tokens: TokenFile) { known.withLock { $0.tokens = tokens } }

  /// What was verified with the old keys is forgotten with them.
  public func replace(issuers: IssuerFile) {
    let verifier = JWTVerifier(issuers, clock: clock)
    known.withLock { $0.issuers = verifier }
  }

  /// Who presents `token`: a named caller, or one whom an issuer vouches for.
  func principal(bearer token: ArraySlice<UInt8>) async throws(ServiceError) -> Principal {
    let hash = Array(SHA256.hash(data: token))
    switch try look(up: token, hash) {
    case .named(let principal): return principal
    case .signed(let issuers): return try await issuers.principal(token: token, sha256: hash)
    }
  }

  /// The same at once; `nil` where a signature has to be verified first.
  func knownPrincipal(bearer token: ArraySlice<UInt8>) throws(ServiceError) -> Principal? {
    let hash = Array(SHA256.hash(data: token))
    switch try look(up: token, hash) {
    case .named(let principal): return principal
    case .signed(let issuers): return try issuers.verifiedPrincipal(sha256: hash)
    }
  }

  private enum Holder {
    case named(Principal)
    case signed(JWTVerifier)
  }

  private func look(
    up token: ArraySlice<UInt8>, _ hash: [UInt8]
  ) throws(ServiceError) -> Holder {
    let (named, issuers) = known.withLock {
      ($0.tokens.principal(tokenSHA256: hash), $0.issuers)
    }
    if let named { return .named(named) }
    guard let issuers, token.count(where: { $0 == UInt8(ascii: ".") }) == 2 else {
      throw .unauthenticated("the token is not known here")
    }
    return .signed(issuers)
  }

  /// Whom a certificate names that the handshake has verified.
  func principal(certificate der: [UInt8]) throws(ServiceError) -> Principal {
    let hash = Array(SHA256.hash(data: der))
    let (seen, tokens) = known.withLock { ($0.certificates[hash], $0.tokens) }
    let certificate: ClientCertificate?
    if let seen {
      certificate = seen
    } else {
      certificate = ClientCertificate(der: der, sha256: hash)
      known.withLock { known in
        if known.certificates.count >= Self.certificateLimit { known.certificates = [:] }
        known.certificates[hash] = .some(certificate)
      }
    }
    guard let certificate else {
      throw .unauthenticated("the client certificate cannot be read; ask for another one")
    }
    guard clock.now().microseconds <= certificate.notValidAfter else {
      throw .unauthenticated("the client certificate has expired; connect with a new one")
    }
    guard let principal = tokens.principal(certificate: certificate.identities) else {
      throw .unauthenticated(
        "the client certificate names no caller, or several; send `authorization: Bearer <token>`,"
          + " or have one of its names entered")
    }
    return principal
  }
}
