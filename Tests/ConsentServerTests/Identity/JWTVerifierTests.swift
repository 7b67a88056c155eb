import ConsentCore
import Crypto
import Foundation
import Testing

@testable import ConsentServer

struct JWTVerifierTests {
  typealias Spoil = @Sendable (inout TokenMint.Fields, inout TokenMint.Fields) -> Void

  /// A token that breaks one rule and keeps every other one, its signature included.
  struct Vector: Sendable, CustomTestStringConvertible {
    var rule: TokenRule
    var what: String
    var make: @Sendable (TokenMint) throws -> String
    var testDescription: String { "\(rule): \(what)" }

    init(_ rule: TokenRule, _ what: String, _ spoil: @escaping Spoil) {
      self.init(rule, what) { try $0.token(spoil) }
    }

    init(
      _ rule: TokenRule, _ what: String,
      making make: @escaping @Sendable (TokenMint) throws -> String
    ) {
      self.rule = rule
      self.what = what
      self.make = make
    }
  }

  static let now = TokenMint.now

  static let vectors: [Vector] = [
    Vector(.form, "four parts", making: { try $0.token() + ".e30" }),
    Vector(
      .form, "claims that are no JSON", making: { try $0.token().replacing(".ey", with: ".a") }),
    Vector(.form, "padding", making: { try $0.token() + "=" }),
    Vector(.form, "the other alphabet", making: { try $0.token() + "+" }),
    Vector(.form, "a blank", making: { try " " + $0.token() }),
    Vector(.form, "no algorithm") { header, _ in header["alg"] = nil },
    Vector(.form, "longer than 8 KiB") { _, claims in
      claims["more"] = String(repeating: "x", count: TokenForm.sizeLimit)
    },
    Vector(.critical, "an extension") { header, _ in header["crit"] = ["exp"] },
    Vector(.type, "a logout token") { header, _ in header["typ"] = "logout+jwt" },
    Vector(.issuer, "another issuer") { _, claims in claims["iss"] = "https://id.example/" },
    Vector(.issuer, "no issuer") { _, claims in claims["iss"] = nil },
    Vector(.key, "an unknown key") { header, _ in header["kid"] = "p257" },
    Vector(.key, "no key") { header, _ in header["kid"] = nil },
    Vector(.key, "a symmetric key of the set") { header, _ in header["kid"] = "shared" },
    Vector(.algorithm, "none") { header, _ in header["alg"] = "none" },
    Vector(.algorithm, "HS256") { header, _ in header["alg"] = "HS256" },
    Vector(.algorithm, "another of the list") { header, _ in header["alg"] = "ES384" },
    Vector(.algorithm, "another case") { header, _ in header["alg"] = "es256" },
    Vector(.signature, "none at all") { mint in
      let parts = try mint.token().split(separator: ".")
      return parts[0] + "." + parts[1] + "."
    },
    Vector(.signature, "of another key") { mint in
      try mint.signed(TokenMint.header(), TokenMint.claims()) {
        Array(try P256.Signing.PrivateKey().signature(for: $0).rawRepresentation)
      }
    },
    Vector(.signature, "a hash keyed with the public key") { mint in
      let key = SymmetricKey(data: mint.p256.publicKey.x963Representation)
      return try mint.signed(TokenMint.header(), TokenMint.claims()) {
        Array(HMAC<SHA256>.authenticationCode(for: $0, using: key))
      }
    },
    Vector(.signature, "of other claims") { mint in
      let signature = try mint.token().split(separator: ".")[2]
      var claims = TokenMint.claims()
      claims["client_id"] = "somebody-else"
      return try TokenMint.part(TokenMint.header()) + "." + TokenMint.part(claims) + "." + signature
    },
    Vector(.audience, "another audience") { _, claims in claims["aud"] = "https://other.example" },
    Vector(.audience, "others in a list") { _, claims in claims["aud"] = ["a", "b"] },
    Vector(.audience, "none") { _, claims in claims["aud"] = nil },
    Vector(.expiry, "over, leeway included") { _, claims in claims["exp"] = now - 60 },
    Vector(.expiry, "none") { _, claims in claims["exp"] = nil },
    Vector(.expiry, "a text") { _, claims in claims["exp"] = "\(now + 300)" },
    Vector(.expiry, "beyond all dates") { _, claims in claims["exp"] = 1e300 },
    Vector(.notBefore, "later, leeway included") { _, claims in claims["nbf"] = now + 61 },
    Vector(.notBefore, "a text") { _, claims in claims["nbf"] = "soon" },
    Vector(.notBefore, "true") { _, claims in claims["nbf"] = true },
    Vector(.issuedAt, "later, leeway included") { _, claims in claims["iat"] = now + 61 },
    Vector(.issuedAt, "an object") { _, claims in claims["iat"] = ["at": now] },
    Vector(.organization, "another one") { _, claims in
      claims["org"] = TokenMint.otherOrganization
    },
    Vector(.organization, "none") { _, claims in claims["org"] = nil },
    Vector(.name, "nobody") { _, claims in
      claims["sub"] = nil
      claims["client_id"] = nil
    },
    Vector(.name, "a control character") { _, claims in claims["client_id"] = "a\nb" },
    Vector(.name, "129 bytes") { _, claims in
      claims["client_id"] = String(repeating: "n", count: 129)
    },
  ]

  private func verify(
    _ token: String, _ mint: TokenMint, without rule: TokenRule? = nil,
    _ change: (inout TokenMint.Fields) -> Void = { _ in }
  ) async throws -> Principal {
    var rules = Set(TokenRule.allCases)
    if let rule { rules.remove(rule) }
    let verifier = JWTVerifier(
      try await mint.issuers(change), clock: SetClock(seconds: Self.now), rules: rules)
    let bytes = Array(token.utf8)
    return try await verifier.principal(
      token: bytes[...], sha256: Array(SHA256.hash(data: bytes)))
  }

  @Test func aGoodTokenNamesItsCaller() async throws {
    let mint = TokenMint()
    let principal = try await verify(try mint.token(), mint)
    #expect(principal.name == "idp/pacs")
    #expect(principal.organization == OrganizationID(TokenMint.organization))
    #expect(principal.roles == [.checker])
    #expect(!principal.limits.seesPart2)
  }

  @Test(arguments: vectors.indices)
  func aTokenThatBreaksARuleIsRefusedForIt(index: Int) async throws {
    let vector = Self.vectors[index]
    let mint = TokenMint()
    let token = try vector.make(mint)
    let error = await #expect(throws: ServiceError.self, "\(vector.testDescription)") {
      _ = try await verify(token, mint)
    }
    #expect(error == vector.rule.refusal, "\(vector.testDescription)")
    // The token is a credential: nothing of it is repeated.
    let text = "\(vector.rule.refusal.rpcError)"
    for part in token.split(separator: ".") where part.count > 8 { #expect(!text.contains(part)) }
  }

  /// The vectors are worth something only if a verifier that forgets a rule fails them.
  @Test(arguments: TokenRule.allCases.filter { $0 != .form && $0 != .key })
  func aVerifierThatForgetsARuleIsCaught(rule: TokenRule) async throws {
    let mint = TokenMint()
    var accepted: [String] = []
    for vector in Self.vectors where vector.rule == rule {
      if (try? await verify(try vector.make(mint), mint, without: rule)) != nil {
        accepted.append(vector.what)
      }
    }
    #expect(!accepted.isEmpty, "no vector needs the rule \(rule)")
  }

  @Test func theLastInstantsAreStillGood() async throws {
    let mint = TokenMint()
    let edges: [Spoil] = [
      { _, claims in claims["exp"] = Self.now - 59 },
      { _, claims in claims["nbf"] = Self.now + 60 },
      { _, claims in claims["iat"] = Self.now + 60 },
      { _, claims in claims["iat"] = nil },
      { header, _ in header["typ"] = nil },
      { header, _ in header["typ"] = "JWT" },
      { _, claims in claims["aud"] = ["x", "https://consent.example"] },
      { _, claims in claims["client_id"] = String(repeating: "n", count: 128) },
    ]
    for edge in edges { _ = try await verify(try mint.token(edge), mint) }
  }

  @Test func everyAlgorithmOfTheListIsVerified() async throws {
    let mint = TokenMint()
    var header = TokenMint.header()
    header["alg"] = "ES384"
    header["kid"] = "p384"
    let token = try mint.signed(header, TokenMint.claims()) {
      Array(try mint.p384.signature(for: $0).rawRepresentation)
    }
    _ = try await verify(token, mint)
    header["alg"] = "EdDSA"
    header["kid"] = "ed"
    let other = try mint.signed(header, TokenMint.claims()) {
      Array(try mint.ed25519.signature(for: $0))
    }
    _ = try await verify(other, mint)
  }

  @Test func scopesGiveRolesByTheTableAlone() async throws {
    let mint = TokenMint()
    let cases: [(String, Set<Role>)] = [
      ("system/Consent.read", [.checker]), ("system/Consent.cud", [.recorder]),
      ("system/Consent.*", [.checker, .recorder]),
      ("system/AuditEvent.rs system/MeasureReport.read", [.auditor, .reporter]),
      ("system/Consent.rs?patient=1", []), ("SYSTEM/Consent.rs", []), ("system/*.*", []), ("", []),
    ]
    for (scope, roles) in cases {
      let token = try mint.token { _, claims in claims["scope"] = scope }
      #expect(try await verify(token, mint).roles == roles, "\(scope)")
    }
    let listed = try mint.token { _, claims in
      claims["scope"] = nil
      claims["scp"] = ["a", "system/Consent.rs"]
    }
    #expect(try await verify(listed, mint).roles == [.checker])
    let powerful = try mint.token { _, claims in claims["scope"] = "admin p2" }
    let own = try await verify(powerful, mint) {
      $0["scopes"] = ["admin": ["administrator"]]
      $0["part2_scope"] = "p2"
      $0["uses"] = ["DIAGNOSIS"]
    }
    #expect(own.roles == [.administrator])
    #expect(own.limits.seesPart2)
    #expect(own.limits.uses == [.diagnosis])
  }

  @Test func aTokenRememberedIsStillJudgedByTheClock() async throws {
    let mint = TokenMint()
    let clock = SetClock(seconds: Self.now)
    let verifier = JWTVerifier(try await mint.issuers(), clock: clock)
    let bytes = Array(try mint.token().utf8)
    let hash = Array(SHA256.hash(data: bytes))
    _ = try await verifier.principal(token: bytes[...], sha256: hash)
    clock.set(seconds: Self.now + 359)
    _ = try await verifier.principal(token: bytes[...], sha256: hash)
    clock.set(seconds: Self.now + 360)
    let error = await #expect(throws: ServiceError.self) {
      _ = try await verifier.principal(token: bytes[...], sha256: hash)
    }
    #expect(error == TokenRule.expiry.refusal)
    clock.set(seconds: Self.now - 120)
    await #expect(throws: ServiceError.self) {
      _ = try await verifier.principal(token: bytes[...], sha256: hash)
    }
  }

  @Test func whatIsRememberedIsBounded() throws {
    var tokens = VerifiedTokens()
    let organization = try #require(OrganizationID(TokenMint.organization))
    let principal = Principal(name: "n", organization: organization, roles: [])
    for number in 0..<(2 * VerifiedTokens.limit) {
      let end = number.isMultiple(of: 2) ? Int64.max : 1
      tokens.add(
        .init(principal: principal, times: .init(notBefore: 0, issuedAt: 0, end: end)),
        for: Array("\(number)".utf8), at: 2)
      #expect(tokens.count <= VerifiedTokens.limit)
    }
    #expect(tokens[Array("0".utf8)] == nil || tokens.count > 0)
  }
}
