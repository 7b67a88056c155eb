import ConsentCore
import Foundation

/// Files of issuers and of their keys. The first byte of an input names what the rest is.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzzIssuers(_ start: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
  let bytes = Array(UnsafeBufferPointer(start: start, count: count))
  guard let first = bytes.first else { return 0 }
  let rest = Data(bytes.dropFirst())
  switch Character(UnicodeScalar(first)) {
  case "i": issuers(rest)
  case "f": fields(bytes.dropFirst())
  case "k": keys(rest)
  default: break
  }
  return 0
}

private func read(_ json: Data) -> [IssuerDescription]? {
  do throws(TokenFileError) {
    return try IssuerDescription.all(json: json, name: "f")
  } catch {
    expect(error.description.hasPrefix("f"), "an error begins with where it is")
    return nil
  }
}

private func issuers(_ json: Data) {
  guard let all = read(json) else { return }
  expect(!all.isEmpty, "somebody is believed")
  expect(Set(all.map(\.issuer)).count == all.count, "no issuer twice")
  expect(Set(all.map(\.name)).count == all.count, "no two of one name")
  all.forEach(holds)
}

private func holds(_ issuer: IssuerDescription) {
  expect(
    !issuer.name.isEmpty && issuer.name.utf8.allSatisfy { $0 > 32 && $0 < 127 && $0 != 47 },
    "a name can stand before a caller's")
  expect(!issuer.issuer.isEmpty, "an issuer is named")
  expect(!issuer.audiences.isEmpty && !issuer.audiences.contains(""), "tokens are for this service")
  expect(!issuer.organization.all.isEmpty, "a token is somebody's")
  expect(!issuer.nameClaims.isEmpty, "callers have names")
  expect((0...300_000_000).contains(issuer.leewayMicroseconds), "clocks differ by minutes at most")
  expect(!issuer.limits.seesPart2, "nobody sees Part 2 for being there")
}

// MARK: Field by field

private let uuid = "0190b5a0-7c1e-7000-8000-000000000001"

/// Lines `field=text`: put into a good entry, which is then good, or refused for that field.
private func fields(_ bytes: ArraySlice<UInt8>) {
  var entry: [String: Any] = [
    "name": "idp", "issuer": "https://i", "audience": "a", "jwks": "k", "organization": uuid,
  ]
  for line in bytes.split(separator: UInt8(ascii: "\n")).prefix(16) {
    let parts = line.split(
      separator: UInt8(ascii: "="), maxSplits: 1, omittingEmptySubsequences: false)
    let value = text(parts.dropFirst().first ?? [])
    switch text(parts[0]) {
    case "organizations": entry["organizations"] = value.split(separator: ",").map(String.init)
    case "audience": entry["audience"] = value.split(separator: ",").map(String.init)
    case "leeway_seconds": entry["leeway_seconds"] = Int64(value) ?? 0
    case "scopes": entry["scopes"] = [value: ["checker"]]
    case "without": entry[value] = nil
    case let name: entry[name] = value
    }
  }
  guard let json = try? JSONSerialization.data(withJSONObject: ["issuers": [entry]]) else { return }
  guard let all = read(json) else { return }
  guard all.count == 1, let issuer = all.first else {
    return expect(false, "one entry, one issuer")
  }
  holds(issuer)
  expect(issuer.name == entry["name"] as? String, "the name comes back")
  expect(issuer.issuer == entry["issuer"] as? String, "what `iss` is comes back")
  expect(issuer.keyFile == entry["jwks"] as? String, "where the keys are comes back")
  let leeway = entry["leeway_seconds"] as? Int64 ?? 60
  expect(issuer.leewayMicroseconds == leeway * 1_000_000, "the leeway comes back")
  let isFixed = entry["organization"] != nil
  expect(isFixed != (entry["organization_claim"] != nil), "one source of the organization")
  if let named = entry["organizations"] as? [String], !isFixed {
    expect(issuer.organization.all.count == named.count, "every organization is there")
  }
  if let own = entry["scopes"] as? [String: Any] {
    expect(Set(issuer.scopes.keys) == Set(own.keys), "own scopes stand instead of the usual ones")
  }
  expect(read(twice(entry)) == nil, "the same again is refused")
}

private func twice(_ entry: [String: Any]) -> Data {
  (try? JSONSerialization.data(withJSONObject: ["issuers": [entry, entry]])) ?? Data()
}

// MARK: Keys

/// The key itself is for JWTKit to read.
private struct Unread: Decodable { init(from decoder: any Decoder) {} }

private func keys(_ json: Data) {
  guard let file = try? KeySetFile<Unread>(json: json, name: "k") else { return }
  expect(file.entries.count <= 64, "as many keys as can be held")
  for entry in file.entries { expect(!entry.description.isPrivate, "no secret is read on") }
  let whole = (try? JSONSerialization.jsonObject(with: json)) as? [String: Any]
  for key in whole?["keys"] as? [[String: Any]] ?? [] {
    expect(key["d"] == nil, "a set with a private key is refused as a whole")
  }
}
