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
  /// How often who is known was replaced; changed with `known` locked.
  private let generation = Atomic<UInt64>(0)
  private let rules: Set<CurrencyRule>

  /// - Parameter issuers: `nil` believes no token signed by others.
  public convenience init(tokens: TokenFile, issuers: IssuerFile? = nil, clock: any WallClock) {
    self.init(
      tokens: tokens, issuers: issuers, clock: clock, rules: Set(CurrencyRule.allCases))
  }

  /// - Parameter rules: all of them, but in tests that show that each is needed.
  init(
    tokens: TokenFile, issuers: IssuerFile?, clock: any WallClock, rules: Set<CurrencyRule>
  ) {
    self.clock = clock
    self.rules = rules
    known = Mutex(
      Known(tokens: tokens, issuers: issuers.map { JWTVerifier($0, clock: clock) }))
  }

  public var tokens: TokenFile { known.withLock { $0.tokens } }

  public var issuers: IssuerFile? { known.withLock { $0.issuers?.file } }

  public func replace(tokens: TokenFile) {
    known.withLock {
      $0.tokens = tokens
      generation.wrappingAdd(1, ordering: .releasing)
    }
  }

  /// What was verified with the old keys is forgotten with them.
  public func replace(issuers: IssuerFile) {
    let verifier = JWTVerifier(issuers, clock: clock)
    known.withLock {
      $0.issuers = verifier
      generation.wrappingAdd(1, ordering: .releasing)
    }
  }

  /// Whether the same credential would give the same caller now. Where this says no, the credential
  /// is looked at anew, which alone says what is wrong with it.
  func isCurrent(_ caller: KnownCaller) -> Bool {
    guard caller.generation == generation.load(ordering: .acquiring) || !rules.contains(.replaced)
    else { return false }
    guard let holds = caller.holds, rules.contains(.time) else { return true }
    return holds.contains(clock.now().microseconds)
  }

  /// Who presents `token`: a named caller, or one whom an issuer vouches for; `nil` where a signature
  /// has to be verified first.
  func known(bearer token: ArraySlice<UInt8>) throws(ServiceError) -> KnownCaller? {
    let hash = Array(SHA256.hash(data: token))
    switch try look(up: token, hash) {
    case .named(let caller): return caller
    case .signed(let issuers, let generation):
      guard let verified = try issuers.verified(sha256: hash) else { return nil }
      return KnownCaller(verified.principal, holds: verified.times.span, generation: generation)
    }
  }

  /// The same, once a signature is verified.
  func verifiedPrincipal(bearer token: ArraySlice<UInt8>) async throws(ServiceError) -> Principal {
    let hash = Array(SHA256.hash(data: token))
    switch try look(up: token, hash) {
    case .named(let caller): return caller.principal
    case .signed(let issuers, _): return try await issuers.principal(token: token, sha256: hash)
    }
  }

  private enum Holder {
    case named(KnownCaller)
    case signed(JWTVerifier, generation: UInt64)
  }

  private func look(
    up token: ArraySlice<UInt8>, _ hash: [UInt8]
  ) throws(ServiceError) -> Holder {
    let (named, issuers, generation) = known.withLock {
      ($0.tokens.principal(tokenSHA256: hash), $0.issuers, self.generation.load(ordering: .relaxed))
    }
    if let named { return .named(KnownCaller(named, holds: nil, generation: generation)) }
    guard let issuers, token.count(where: { $0 == UInt8(ascii: ".") }) == 2 else {
      throw .unauthenticated("the token is not known here")
    }
    return .signed(issuers, generation: generation)
  }

  /// Whom a certificate names that the handshake has verified.
  func known(certificate der: [UInt8]) throws(ServiceError) -> KnownCaller {
    let hash = Array(SHA256.hash(data: der))
    let (seen, tokens, generation) = known.withLock {
      ($0.certificates[hash], $0.tokens, self.generation.load(ordering: .relaxed))
    }
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
    return KnownCaller(
      principal, holds: Int64.min...certificate.notValidAfter, generation: generation)
  }
}
