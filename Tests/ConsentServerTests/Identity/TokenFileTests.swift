import ConsentCore
import Crypto
import Foundation
import Testing

@testable import ConsentServer

struct TokenFileTests {
  private static let organization = "0f7d5a52-6d1c-4f7a-9d5e-2d7f5f2f0001"

  private func file(_ change: (inout [String: Any]) -> Void = { _ in }) throws -> TokenFile {
    let hash = SHA256.hash(data: Data("secret".utf8)).map {
      String($0 >> 4, radix: 16) + String($0 & 15, radix: 16)
    }.joined()
    var entry: [String: Any] = [
      "name": "ehr", "organization": Self.organization, "roles": ["checker"],
      "token_sha256": hash, "uses": ["DIAGNOSIS"],
    ]
    change(&entry)
    return try TokenFile(
      json: try JSONSerialization.data(withJSONObject: ["tokens": [entry]]), name: "tokens.json")
  }

  @Test func aTokenIsKnownByItsHashAlone() throws {
    let file = try file()
    let principal = try #require(file.principal(token: Data("secret".utf8)))
    #expect(principal.name == "ehr")
    #expect(principal.roles == [.checker])
    #expect(principal.limits.uses == [.diagnosis])
    #expect(principal.limits.audiences == .all)
    #expect(!principal.limits.seesPart2)
    #expect(file.principal(token: Data("secret ".utf8)) == nil)
    #expect(file.principal(token: Data()) == nil)
  }

  typealias Spoil = @Sendable (inout [String: Any]) -> Void

  static let spoiled: [(String, Spoil)] = [
    ("organization", { $0["organization"] = "x" }),
    ("roles", { $0["roles"] = ["king"] }),
    ("token_sha256", { $0["token_sha256"] = "abc" }),
    ("uses", { $0["uses"] = ["FUN"] }),
    ("name", { $0["name"] = "" }),
  ]

  @Test(arguments: spoiled.indices)
  func aBadEntryIsNamed(index: Int) {
    let (field, spoil) = Self.spoiled[index]
    do {
      _ = try file(spoil)
      Issue.record("read")
    } catch {
      #expect("\(error)".contains("tokens[0].\(field)"))
    }
  }
}
