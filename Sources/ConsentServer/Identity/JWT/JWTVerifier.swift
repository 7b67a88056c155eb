import ConsentCore
import ConsentStore
import Foundation
import JWTKit
import RPCWire
import Synchronization

/// Turns a token signed by an issuer into a principal, or refuses it.
///
/// A token that was found good is remembered by its SHA-256, so that a busy caller costs one
/// signature a token. What depends on the time is compared at every call.
final class JWTVerifier: Sendable {
  static let sizeLimit = 8_192

  let file: IssuerFile
  private let clock: any WallClock
  private let rules: Set<TokenRule>
  private let verified = Mutex(VerifiedTokens())

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
    if let known = verified.withLock({ $0[sha256] }) {
      try check(known.times, at: now)
      return known.principal
    }
    let (claims, issuer) = try await authentic(token)
    try require(!issuer.audiences.isDisjoint(with: claims.list("aud")), .audience)
    let times = try times(claims, issuer)
    try check(times, at: now)
    let principal = try principal(claims, issuer)
    verified.withLock { $0.add(.init(principal: principal, times: times), for: sha256, at: now) }
    return principal
  }

  private func require(_ holds: Bool, _ rule: TokenRule) throws(ServiceError) {
    guard holds || !rules.contains(rule) else { throw rule.refusal }
  }

  // MARK: Who signed it

  private struct Header: Decodable {
    var alg: String
    var kid: String?
    var typ: String?
    var hasCritical: Bool

    enum CodingKeys: String, CodingKey {
      case alg, kid, typ, crit
    }

    init(from decoder: any Decoder) throws {
      let fields = try decoder.container(keyedBy: CodingKeys.self)
      alg = try fields.decode(String.self, forKey: .alg)
      kid = try fields.decodeIfPresent(String.self, forKey: .kid)
      typ = try fields.decodeIfPresent(String.self, forKey: .typ)
      hasCritical = fields.contains(.crit)
    }
  }

  /// The claims, after their signature was verified with the key that their issuer gave its id to.
  private func authentic(
    _ token: ArraySlice<UInt8>
  ) async throws(ServiceError) -> (TokenClaims, Issuer) {
    let parts = token.split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false)
    guard token.count <= Self.sizeLimit, parts.count == 3, token.allSatisfy(Self.isTokenByte),
      let header: Header = Self.json(parts[0]), let said: TokenClaims = Self.json(parts[1])
    else { throw TokenRule.form.refusal }
    try require(!header.hasCritical, .critical)
    try require(
      ["jwt", "at+jwt", "application/at+jwt"].contains((header.typ ?? "jwt").lowercased()), .type)
    // Not believed yet: it says only whose key to look for.
    let named = said.text("iss").flatMap { file.issuers[$0] }
    try require(named != nil, .issuer)
    guard let issuer = named ?? file.issuers.values.first else { throw TokenRule.issuer.refusal }
    guard let key = header.kid.flatMap({ issuer.keys[$0] }) else { throw TokenRule.key.refusal }
    try require(header.alg == key.algorithm, .algorithm)
    guard let claims = try? await key.verifier.verify(token, as: TokenClaims.self) else {
      try require(false, .signature)
      return (said, issuer)
    }
    return (claims, issuer)
  }

  /// The alphabet of base64url without padding (RFC 7515 §2), and the dot.
  private static func isTokenByte(_ byte: UInt8) -> Bool {
    switch byte {
    case UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "a")...UInt8(ascii: "z"),
      UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "_"),
      UInt8(ascii: "."):
      true
    default: false
    }
  }

  private static func json<Value: Decodable>(_ part: ArraySlice<UInt8>) -> Value? {
    guard let bytes = Base64.decode(part) else { return nil }
    return try? JSONDecoder().decode(Value.self, from: Data(bytes))
  }

  // MARK: When it holds

  /// Leeway included, in microseconds since 1970: refused before the first two and from the last.
  struct Times: Sendable {
    var notBefore: Int64
    var issuedAt: Int64
    var end: Int64
  }

  private func times(_ claims: TokenClaims, _ issuer: Issuer) throws(ServiceError) -> Times {
    let leeway = issuer.leewayMicroseconds
    let expiry = claims.instant("exp")
    try require(expiry != nil, .expiry)
    // A claim that is there and no date is not the same as none.
    let notBefore = claims.instant("nbf")
    try require(notBefore != nil || !claims.has("nbf"), .notBefore)
    let issuedAt = claims.instant("iat")
    try require(issuedAt != nil || !claims.has("iat"), .issuedAt)
    return Times(
      notBefore: notBefore.map { $0 - leeway } ?? .min,
      issuedAt: issuedAt.map { $0 - leeway } ?? .min, end: expiry.map { $0 + leeway } ?? .max)
  }

  private func check(_ times: Times, at now: Int64) throws(ServiceError) {
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
    var times: JWTVerifier.Times
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
