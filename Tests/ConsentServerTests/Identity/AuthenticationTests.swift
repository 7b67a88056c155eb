import ConsentCore
import Crypto
import Foundation
import SwiftASN1
import Testing
import X509

@testable import ConsentServer

/// Who is believed when a call has a token, a certificate, both or neither.
struct AuthenticationTests {
  private let key = Certificate.PrivateKey(P256.Signing.PrivateKey())

  private func certificate(
    _ names: [GeneralName], subject: String = "somebody", endsAt seconds: Int64 = TokenMint.now + 60
  ) throws -> [UInt8] {
    let name = try DistinguishedName { CommonName(subject) }
    let certificate = try Certificate(
      version: .v3, serialNumber: Certificate.SerialNumber(), publicKey: key.publicKey,
      notValidBefore: Date(timeIntervalSince1970: Double(TokenMint.now - 60)),
      notValidAfter: Date(timeIntervalSince1970: Double(seconds)), issuer: name, subject: name,
      extensions: Certificate.Extensions { SubjectAlternativeNames(names) },
      issuerPrivateKey: key)
    var serializer = DER.Serializer()
    try serializer.serialize(certificate)
    return serializer.serializedBytes
  }

  private func hex(_ bytes: some Sequence<UInt8>) -> String {
    bytes.map { String($0 >> 4, radix: 16) + String($0 & 15, radix: 16) }.joined()
  }

  private func tokens(_ certificates: [(String, String)]) throws -> TokenFile {
    func entry(_ name: String) -> [String: Any] {
      ["name": name, "organization": TokenMint.organization, "roles": ["checker"]]
    }
    let token = entry("static").merging(
      ["token_sha256": hex(SHA256.hash(data: Data("secret".utf8)))]) { $1 }
    return try TokenFile(
      json: try JSONSerialization.data(withJSONObject: [
        "tokens": [token],
        "certificates": certificates.map { identity, name in
          entry(name).merging(["certificate": identity]) { $1 }
        },
      ]), name: "tokens.json")
  }

  private func directory(
    _ certificates: [(String, String)], issuers: IssuerFile? = nil,
    clock: SetClock = SetClock(seconds: TokenMint.now)
  ) throws -> Authentication {
    Authentication(
      callers: CallerDirectory(tokens: try tokens(certificates), issuers: issuers, clock: clock))
  }

  private func name(
    _ authentication: Authentication, bearer: String? = nil, _ certificate: [UInt8]? = nil
  ) async throws -> String {
    let value = bearer.map { Array("Bearer \($0)".utf8)[...] }
    return try await authentication.principal(
      authorization: value, times: value == nil ? 0 : 1,
      certificates: certificate.map { [$0] } ?? []
    ).name
  }

  @Test func aCertificateIsKnownByEachOfItsNames() async throws {
    let leaf = try certificate([
      .uniformResourceIdentifier("urn:example:pacs"), .dnsName("PACS.example"),
      .rfc822Name("pacs@example"),
    ])
    let pin = "sha256:" + hex(SHA256.hash(data: leaf))
    for identity in ["URI:urn:example:pacs", "DNS:pacs.example", "email:pacs@example", pin] {
      #expect(try await name(try directory([(identity, "pacs")]), leaf) == "pacs", "\(identity)")
    }
  }

  @Test(arguments: [
    "URI:urn:example:pac", "URI:urn:example:pacs2", "URI:URN:example:pacs", "DNS:example",
    "DNS:urn:example:pacs", "email:urn:example:pacs", "DNS:pacs",
  ])
  func nothingButTheExactNameOfTheSameKindIsEnough(identity: String) async throws {
    let leaf = try certificate([.uniformResourceIdentifier("urn:example:pacs")], subject: "pacs")
    let authentication = try directory([(identity, "pacs")])
    await #expect(throws: ServiceError.self) { _ = try await name(authentication, leaf) }
  }

  @Test(arguments: ["CN:pacs", "pacs", "DNS:*.example", "sha256:ab", "URI:", ""])
  func anEntryOfAnotherFormIsRefused(identity: String) {
    #expect(throws: TokenFileError.self) { _ = try tokens([(identity, "pacs")]) }
  }

  @Test func twoEntriesForOneCertificateAreNobody() async throws {
    let leaf = try certificate([
      .uniformResourceIdentifier("urn:example:pacs"), .dnsName("pacs.example"),
    ])
    let authentication = try directory([
      ("URI:urn:example:pacs", "pacs"), ("DNS:pacs.example", "other"),
    ])
    await #expect(throws: ServiceError.self) { _ = try await name(authentication, leaf) }
  }

  @Test func aCertificateEndsAlsoOnAnOpenConnection() async throws {
    let clock = SetClock(seconds: TokenMint.now)
    let leaf = try certificate([.uniformResourceIdentifier("urn:example:pacs")])
    let authentication = try directory([("URI:urn:example:pacs", "pacs")], clock: clock)
    #expect(try await name(authentication, leaf) == "pacs")
    clock.set(seconds: TokenMint.now + 61)
    await #expect(throws: ServiceError.self) { _ = try await name(authentication, leaf) }
  }

  @Test func aCertificateThatCannotBeReadIsNobody() async throws {
    let authentication = try directory([])
    for bytes in [[], [0x30], [UInt8](repeating: 0xFF, count: 600)] {
      await #expect(throws: ServiceError.self) { _ = try await name(authentication, bytes) }
    }
  }

  @Test func theTokenDecidesWhereThereIsOne() async throws {
    let mint = TokenMint()
    let leaf = try certificate([.uniformResourceIdentifier("urn:example:pacs")])
    let authentication = try directory(
      [("URI:urn:example:pacs", "pacs")], issuers: try await mint.issuers())
    #expect(try await name(authentication, bearer: "secret", leaf) == "static")
    #expect(try await name(authentication, bearer: try mint.token(), leaf) == "idp/pacs")
    #expect(try await name(authentication, leaf) == "pacs")
    // A bad token is refused however good the certificate is.
    let expired = try mint.token { _, claims in claims["exp"] = TokenMint.now - 600 }
    for bad in ["wrong", "", "a.b.c", expired] {
      await #expect(throws: ServiceError.self, "\(bad)") {
        _ = try await name(authentication, bearer: bad, leaf)
      }
    }
    let basic = Array("Basic c2VjcmV0".utf8)[...]
    await #expect(throws: ServiceError.self) {
      _ = try await authentication.principal(
        authorization: basic, times: 1, certificates: [leaf])
    }
    await #expect(throws: ServiceError.self) {
      _ = try await authentication.principal(
        authorization: Array("Bearer secret".utf8)[...], times: 2, certificates: [leaf])
    }
    await #expect(throws: ServiceError.self) { _ = try await name(authentication) }
  }

  @Test func whatIsReplacedCountsFromTheNextCallOn() async throws {
    let mint = TokenMint()
    let callers = CallerDirectory(
      tokens: try tokens([]), issuers: try await mint.issuers(),
      clock: SetClock(seconds: TokenMint.now))
    let authentication = Authentication(callers: callers)
    let token = try mint.token()
    _ = try await name(authentication, bearer: token)
    _ = try await name(authentication, bearer: "secret")
    // Other keys: also a token verified before is not believed any more.
    callers.replace(issuers: try await TokenMint().issuers())
    callers.replace(tokens: TokenFile())
    for bad in [token, "secret"] {
      await #expect(throws: ServiceError.self) { _ = try await name(authentication, bearer: bad) }
    }
  }

  // MARK: Who is admitted again without a look at the credential

  /// Whether somebody who was admitted goes on being so after `change`.
  private func isCurrent(
    rules: Set<CurrencyRule> = Set(CurrencyRule.allCases), certificate leaf: [UInt8]? = nil,
    after change: (CallerDirectory, SetClock) async throws -> Void
  ) async throws -> Bool {
    let mint = TokenMint()
    let clock = SetClock(seconds: TokenMint.now)
    let callers = CallerDirectory(
      tokens: try tokens([("URI:urn:example:pacs", "pacs")]), issuers: try await mint.issuers(),
      clock: clock, rules: rules)
    let known: KnownCaller
    if let leaf {
      known = try callers.known(certificate: leaf)
    } else {
      known = try #require(try callers.known(bearer: Array("secret".utf8)[...]))
    }
    #expect(callers.isCurrent(known))
    try await change(callers, clock)
    return callers.isCurrent(known)
  }

  private static let replacements: [@Sendable (CallerDirectory) async throws -> Void] = [
    { $0.replace(tokens: TokenFile()) },
    { $0.replace(issuers: try await TokenMint().issuers()) },
  ]

  @Test(arguments: replacements.indices)
  func nobodyIsAdmittedByWhatWasKnownBeforeTheFilesWereReplaced(index: Int) async throws {
    let replace = Self.replacements[index]
    #expect(try await isCurrent { _, _ in })
    #expect(!(try await isCurrent { callers, _ in try await replace(callers) }))
    // A directory that forgets this would be noticed.
    #expect(try await isCurrent(rules: [.time]) { callers, _ in try await replace(callers) })
  }

  @Test func aCertificateEndsForWhomeverIsKnownByIt() async throws {
    let leaf = try certificate([.uniformResourceIdentifier("urn:example:pacs")])
    func goesOn(for seconds: Int64, _ rules: CurrencyRule...) async throws -> Bool {
      try await isCurrent(rules: Set(rules), certificate: leaf) { _, clock in
        clock.set(seconds: TokenMint.now + seconds)
      }
    }
    #expect(try await goesOn(for: 60, .replaced, .time))
    #expect(!(try await goesOn(for: 61, .replaced, .time)))
    #expect(try await goesOn(for: 61, .replaced))
  }

  @Test func aSignedTokenEndsForWhomeverIsKnownByIt() async throws {
    let mint = TokenMint()
    let clock = SetClock(seconds: TokenMint.now)
    let callers = CallerDirectory(
      tokens: try tokens([]), issuers: try await mint.issuers(), clock: clock)
    let token = Array(
      try mint.token { _, claims in claims["exp"] = TokenMint.now + 600 }.utf8)[...]
    // Its signature has to be verified first.
    #expect(try callers.known(bearer: token) == nil)
    _ = try await callers.verifiedPrincipal(bearer: token)
    let known = try #require(try callers.known(bearer: token))
    let held = try #require(known.holds)
    #expect(callers.isCurrent(known))
    for (instant, holds) in [
      (held.lowerBound, true), (held.lowerBound - 1, false), (held.upperBound, true),
      (held.upperBound + 1, false),
    ] {
      clock.set(microseconds: instant)
      #expect(callers.isCurrent(known) == holds)
      // What is not current is looked at anew, and refused there.
      if !holds {
        #expect(throws: ServiceError.self) { _ = try callers.known(bearer: token) }
      }
    }
  }

  @Test func namesOfIssuersAreTheirsAlone() async throws {
    let issuers = try await TokenMint().issuers()
    #expect(try tokens([("DNS:a", "idp/pacs")]).firstName(ofAn: issuers) == "idp/pacs")
    #expect(try tokens([("DNS:a", "idp"), ("DNS:b", "x/y")]).firstName(ofAn: issuers) == nil)
  }
}
