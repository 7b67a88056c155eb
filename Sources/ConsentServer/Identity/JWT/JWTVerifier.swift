import ConsentCore
import ConsentStore
import JWTKit
import Synchronization

/// Turns a token signed by an issuer into a principal, or refuses it.
///
/// A token that was found good is remembered by its SHA-256, so that a busy caller costs one
/// signature a token. What depends on the time is compared at every call.
final class JWTVerifier: Sendable {
  let file: IssuerFile
  private let clock: any WallClock
  private let rules: Set<TokenRule>
  private let tokens = Mutex(VerifiedTokens())

  /// - Parameter rules: all of them, but in tests that show that each is needed.
  init(
    _ file: IssuerFile, clock: any WallClock, rules: Set<TokenRule> = Set(TokenRule.allCases)
  ) {
    self.file = file
    self.clock = clock
    self.rules = rules
  }

  func principal(
    token: ArraySlice<UInt8>, sha256: [UInt8]
  ) async throws(ServiceError) -> Principal {
    let now = clock.now().microseconds
    if let known = try verified(sha256: sha256, at: now) { return known.principal }
    let (claims, issuer) = try await authentic(token)
    try require(!issuer.audiences.isDisjoint(with: claims.list("aud")), .audience)
    let times = try times(claims, issuer)
    try check(times, at: now)
    let principal = try principal(claims, issuer)
    tokens.withLock { $0.add(.init(principal: principal, times: times), for: sha256, at: now) }
    return principal
  }

  /// Whose token this is, if it was found good before and still holds; `nil` if it is not known.
  func verified(sha256: [UInt8]) throws(ServiceError) -> VerifiedTokens.Entry? {
    try verified(sha256: sha256, at: clock.now().microseconds)
  }

  private func verified(
    sha256: [UInt8], at now: Int64
  ) throws(ServiceError) -> VerifiedTokens.Entry? {
    guard let known = tokens.withLock({ $0[sha256] }) else { return nil }
    try check(known.times, at: now)
    return known
  }

  private func require(_ holds: Bool, _ rule: TokenRule) throws(ServiceError) {
    guard holds || !rules.contains(rule) else { throw rule.refusal }
  }

  // MARK: Who signed it

  /// The claims, after their signature was verified with the key that their issuer gave its id to.
  private func authentic(
    _ token: ArraySlice<UInt8>
  ) async throws(ServiceError) -> (TokenClaims, Issuer) {
    guard let form = TokenForm(token) else { throw TokenRule.form.refusal }
    let (header, said) = (form.header, form.claims)
    try require(!header.hasCritical, .critical)
    try require(header.isForAccess, .type)
    // Not believed yet: it says only whose key to look for.
    let named = said.text("iss").flatMap { file.issuers[$0] }
    try require(named != nil, .issuer)
    guard let issuer = named ?? file.issuers.values.first else { throw TokenRule.issuer.refusal }
    guard let key = header.keyID.flatMap({ issuer.keys[$0] }) else { throw TokenRule.key.refusal }
    try require(header.algorithm == key.algorithm, .algorithm)
    guard let claims = try? await key.verifier.verify(token, as: TokenClaims.self) else {
      try require(false, .signature)
      return (said, issuer)
    }
    return (claims, issuer)
  }

  // MARK: When it holds

  private func times(_ claims: TokenClaims, _ issuer: Issuer) throws(ServiceError) -> TokenTimes {
    try require(claims.instant("exp") != nil, .expiry)
    // A claim that is there and no date is not the same as none.
    try require(claims.instant("nbf") != nil || !claims.has("nbf"), .notBefore)
    try require(claims.instant("iat") != nil || !claims.has("iat"), .issuedAt)
    return TokenTimes(claims, leeway: issuer.leewayMicroseconds)
  }

  private func check(_ times: TokenTimes, at now: Int64) throws(ServiceError) {
    try require(now < times.end, .expiry)
    try require(now >= times.notBefore, .notBefore)
    try require(now >= times.issuedAt, .issuedAt)
  }

  // MARK: What it says

  private func principal(
    _ claims: TokenClaims, _ issuer: Issuer
  ) throws(ServiceError) -> Principal {
    let organization: OrganizationID
    switch issuer.organization {
    case .fixed(let id): organization = id
    case .claim(let claim, let allowed):
      guard let id = claims.text(claim).flatMap({ OrganizationID($0) }) else {
        throw TokenRule.organization.refusal
      }
      try require(allowed.contains(id), .organization)
      organization = id
    }
    let name = issuer.nameClaims.lazy.compactMap { claims.text($0) }.first ?? ""
    let isPlain = name.unicodeScalars.allSatisfy { $0.value >= 0x20 && $0.value != 0x7F }
    try require(!name.isEmpty && name.utf8.count <= 128 && isPlain, .name)
    let scopes = claims.scopes
    var limits = issuer.limits
    limits.seesPart2 = issuer.part2Scope.map(scopes.contains) ?? false
    return Principal(
      name: issuer.name + "/" + name, organization: organization,
      roles: scopes.reduce(into: []) { $0.formUnion(issuer.scopes[$1] ?? []) }, limits: limits)
  }
}

/// Tokens found good, so many at most.
struct VerifiedTokens {
  struct Entry: Sendable {
    var principal: Principal
    var times: TokenTimes
  }

  static let limit = 4_096
  private var entries: [[UInt8]: Entry] = [:]

  var count: Int { entries.count }

  subscript(sha256: [UInt8]) -> Entry? { entries[sha256] }

  /// A full table first lets go of what has expired, then of everything.
  mutating func add(_ entry: Entry, for sha256: [UInt8], at now: Int64) {
    if entries.count >= Self.limit {
      entries = entries.filter { now < $0.value.times.end }
      if entries.count >= Self.limit { entries = [:] }
    }
    entries[sha256] = entry
  }
}
