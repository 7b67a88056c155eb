import Foundation
import Testing

@testable import ConsentServer

struct IssuerFileTests {
  @Test func whatIsOfNoUseIsPassedOver() async throws {
    let file = try await TokenMint().issuers()
    #expect(file.keyCounts == (3, 2))
    #expect(file.files.count == 2)
    #expect(file.organizations.count == 1)
  }

  typealias Spoil = @Sendable (inout TokenMint.Fields) -> Void

  static let spoiled: [(String, Spoil)] = [
    ("name", { $0["name"] = "a/b" }),
    ("issuer", { $0["issuer"] = "" }),
    ("audience", { $0["audience"] = [String]() }),
    ("audience", { $0["audience"] = "" }),
    ("cannot read", { $0["jwks"] = "none.json" }),
    ("organization", { $0["organization"] = TokenMint.organization }),
    ("organizations", { $0["organizations"] = ["x"] }),
    ("organizations", { $0["organizations"] = nil }),
    ("leeway_seconds", { $0["leeway_seconds"] = 301 }),
    ("leeway_seconds", { $0["leeway_seconds"] = -1 }),
    ("scopes", { $0["scopes"] = ["s": ["king"]] }),
    ("uses", { $0["uses"] = ["FUN"] }),
    ("part2", { $0["part2"] = true }),
  ]

  @Test(arguments: spoiled.indices)
  func aBadEntryIsNamed(index: Int) async throws {
    let (word, spoil) = Self.spoiled[index]
    let error = await #expect(throws: TokenFileError.self) {
      _ = try await TokenMint().issuers(spoil)
    }
    #expect(error?.description.contains(word) == true, "\(error?.description ?? "")")
  }

  private func keys(_ keys: [TokenMint.Fields]) async throws -> KeySet {
    try await KeySet(
      json: try JSONSerialization.data(withJSONObject: ["keys": keys]), name: "jwks.json")
  }

  @Test func aSetThatTellsAPrivateKeyIsRefused() async throws {
    var key = TokenMint().keySet[0]
    key["d"] = "AQAB"
    let error = await #expect(throws: TokenFileError.self) { _ = try await keys([key]) }
    #expect(error?.description.contains("private") == true)
  }

  @Test func aKeyIdStandsForOneKey() async throws {
    let mint = TokenMint()
    var second = mint.keySet[1]
    second["kid"] = "p256"
    await #expect(throws: TokenFileError.self) { _ = try await keys([mint.keySet[0], second]) }
  }

  /// Each alone leaves no usable key.
  static let useless: [Spoil] = [
    { $0["kid"] = nil }, { $0["use"] = "enc" }, { $0["alg"] = "ES384" }, { $0["alg"] = "HS256" },
    { $0["crv"] = "P-521" }, { $0["key_ops"] = ["sign"] }, { $0["x"] = "AA" },
    { $0["kty"] = "oct" },
  ]

  @Test(arguments: useless.indices)
  func aKeyThatCannotBeUsedIsNone(index: Int) async throws {
    var key = TokenMint().keySet[0]
    Self.useless[index](&key)
    await #expect(throws: TokenFileError.self) { _ = try await keys([key]) }
  }

  @Test func aShortModulusIsNoKey() async throws {
    let modulus = TokenMint.base64URL([0x80] + [UInt8](repeating: 1, count: 127))
    await #expect(throws: TokenFileError.self) {
      _ = try await keys([["kty": "RSA", "kid": "r", "n": modulus, "e": "AQAB"]])
    }
  }
}
