import Foundation
import RPCWire

/// Credentials, as they are read before JWTKit verifies a signature: bearer values, tokens, their
/// headers and claims, keys of a set, names of certificates. The first byte of an input names what
/// the rest is for, so that seeds can be read.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzzToken(_ start: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
  let bytes = Array(UnsafeBufferPointer(start: start, count: count))
  guard let first = bytes.first else { return 0 }
  let rest = bytes.dropFirst()
  switch Character(UnicodeScalar(first)) {
  case "b": bearer(rest)
  case "t": tokenText(rest)
  case "m": mintedToken(rest)
  case "c": claims(rest)
  case "s": scopeText(rest)
  case "k": keyAndHeader(rest)
  case "n": certificateNames(rest)
  default: break
  }
  return 0
}

private let blank = UInt8(ascii: " ")
private let dot = UInt8(ascii: ".")

private func lines(_ bytes: ArraySlice<UInt8>) -> (ArraySlice<UInt8>, ArraySlice<UInt8>) {
  let end = bytes.firstIndex(of: UInt8(ascii: "\n")) ?? bytes.endIndex
  return (bytes[..<end], bytes[end...].dropFirst())
}

private func decoded<Value: Decodable>(_ json: some Sequence<UInt8>) -> Value? {
  try? JSONDecoder().decode(Value.self, from: Data(json))
}

// MARK: The header field

private func bearer(_ value: ArraySlice<UInt8>) {
  guard let token = BearerHeader.token(in: value) else {
    return expect(
      value.count <= 7 || text(ASCII.lowercased(Array(value.prefix(7)))) != "bearer ",
      "a bearer token is taken")
  }
  let scheme = value.dropLast(token.count)
  expect(text(ASCII.lowercased(Array(scheme))) == "bearer ", "the scheme is Bearer and a blank")
  expect(Array(scheme) + Array(token) == Array(value) && !token.isEmpty, "nothing is dropped")
  tokenText(token)
}

// MARK: The token

/// The strict alphabet, written down a second time.
private let alphabet = Set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.".utf8)

private func base64url(_ bytes: some Collection<UInt8>) -> [UInt8] {
  Array(
    text(Base64.encode(bytes)).replacing("+", with: "-").replacing("/", with: "_").utf8)
}

private func tokenText(_ token: ArraySlice<UInt8>) {
  guard TokenForm(token) != nil else { return }
  expect(token.allSatisfy(alphabet.contains), "only base64url and dots")
  expect(token.count <= 8_192, "the size is bounded")
  let parts = token.split(separator: dot, omittingEmptySubsequences: false)
  expect(parts.count == 3, "three parts")
  for part in parts.prefix(2) {
    guard let bytes = Base64.decode(part) else { return expect(false, "parts are base64url") }
    expect(decoded(bytes) as [String: Ignored]? != nil, "parts are JSON objects")
    let again = base64url(bytes)
    // The last digit may have bits that carry nothing: they are signed over like all others.
    expect(again.count == part.count && again.dropLast() == part.dropLast(), "parts come back")
  }
  refusedWhenChanged(Array(token))
}

/// Any value.
private struct Ignored: Decodable {
  init(from decoder: any Decoder) {}
}

private func refusedWhenChanged(_ token: [UInt8]) {
  for byte in UInt8.min...UInt8.max where !alphabet.contains(byte) {
    expect(TokenForm(token + [byte]) == nil, "no other alphabet")
    expect(TokenForm([byte] + token) == nil, "no other alphabet")
  }
  expect(TokenForm(token + [dot]) == nil, "no fourth part")
  let signature = token.lastIndex(of: dot) ?? token.endIndex
  expect(TokenForm(token[..<signature]) == nil, "no two parts")
  let filler = [UInt8](repeating: UInt8(ascii: "A"), count: 8_192 - token.count)
  expect(TokenForm((token + filler)[...]) != nil, "the limit is allowed")
  expect(TokenForm((token + filler + filler.prefix(1) + [65])[...]) == nil, "and no byte more")
}

extension TokenForm {
  fileprivate init?(_ token: [UInt8]) { self.init(token[...]) }
}

/// A line that becomes the header, and claims.
private func mintedToken(_ bytes: ArraySlice<UInt8>) {
  let (header, claims) = lines(bytes)
  let token = base64url(header) + [dot] + base64url(claims) + [dot] + base64url([1, 2, 3])
  let (saidHeader, saidClaims): (TokenHeader?, TokenClaims?) = (decoded(header), decoded(claims))
  guard let form = TokenForm(token) else {
    return expect(
      saidHeader == nil || saidClaims == nil || token.count > 8_192, "a token is taken")
  }
  expect(token.count <= 8_192, "the size is bounded")
  expect(form.header.algorithm == saidHeader?.algorithm, "the header comes back")
  expect(form.header.keyID == saidHeader?.keyID, "the header comes back")
  expect(form.claims.text("iss") == saidClaims?.text("iss"), "the claims come back")
  tokenText(token[...])
}

// MARK: Claims

private func claims(_ json: ArraySlice<UInt8>) {
  guard let claims: TokenClaims = decoded(json) else { return }
  let names = (decoded(json) as [String: Ignored]?).map { Array($0.keys) } ?? []
  expect(names.allSatisfy(claims.has), "what is there is known to be there, of whatever type")
  for name in ["exp", "nbf", "iat"] {
    guard let instant = claims.instant(name) else { continue }
    expect(instant.magnitude <= 100_000_000_000_000_000, "a date is bounded")
    expect(claims.has(name) && claims.text(name) == nil, "a date is a number")
  }
  for leeway: Int64 in [0, 60_000_000, 300_000_000] {
    let times = TokenTimes(claims, leeway: leeway)
    expect(
      times.notBefore <= claims.instant("nbf") ?? .min
        && times.issuedAt <= claims.instant("iat") ?? .min
        && times.end >= claims.instant("exp") ?? .max, "leeway never shortens")
  }
  for name in ["aud", "iss", "scope"] {
    let list = claims.list(name)
    expect(claims.has(name) || list.isEmpty, "what is absent says nothing")
    if let text = claims.text(name) { expect(list == [text], "one text is a list of one") }
  }
  scopes(claims)
}

private func scopeText(_ bytes: ArraySlice<UInt8>) {
  let claims = said(["scope": text(bytes)])
  let words = Set(bytes.split(separator: blank).map { text($0) })
  expect(claims.scopes == words, "a scope is what stands between blanks")
  scopes(claims)
}

private func scopes(_ claims: TokenClaims) {
  let found = claims.scopes
  expect(found.allSatisfy { !$0.isEmpty && !$0.utf8.contains(blank) }, "scopes have no blanks")
  let words = found.sorted()
  for name in ["scope", "scp"] {
    for order in [words, words.reversed(), words + words] {
      expect(said([name: order.joined(separator: " ")]).scopes == found, "in any order")
      expect(said([name: order]).scopes == found, "as a list too")
    }
  }
}

private func said(_ fields: [String: Any]) -> TokenClaims {
  let json = try? JSONSerialization.data(withJSONObject: fields)
  guard let claims: TokenClaims = json.flatMap({ decoded($0) }) else {
    fatalError("property broken: claims that are texts can be read")
  }
  return claims
}

// MARK: Keys and names

private struct KeyType: Decodable { var kty: String }

/// A line that is a key of a set, and a token's header.
private func keyAndHeader(_ bytes: ArraySlice<UInt8>) {
  let (first, second) = lines(bytes)
  guard let key: KeyDescription = decoded(first) else { return }
  if let algorithm = key.algorithm {
    expect(
      ["RS256", "PS256", "ES256", "ES384", "EdDSA"].contains(algorithm),
      "a key verifies signatures of the list only, not \(algorithm)")
    let type = (decoded(first) as KeyType?)?.kty
    expect(["RSA", "EC", "OKP"].contains(type), "and is no symmetric one")
  }
  guard let header: TokenHeader = decoded(second) else { return }
  let name = header.algorithm.lowercased()
  if name == "none" || name.hasPrefix("hs") {
    expect(header.algorithm != key.algorithm, "\(header.algorithm) fits no key")
  }
  let typ = (header.type ?? "jwt").lowercased()
  if header.isForAccess { expect(typ.hasSuffix("jwt") && !typ.contains("logout"), "for access") }
}

private func certificateNames(_ bytes: ArraySlice<UInt8>) {
  let name = text(bytes)
  switch CertificateIdentity(name) {
  case .uri(let value): expect(name.utf8.elementsEqual("URI:\(value)".utf8), "as it was written")
  case .email(let value): expect(name.utf8.elementsEqual("email:\(value)".utf8), "as written")
  case .dns(let value):
    expect(name.hasPrefix("DNS:") && !value.utf8.contains(UInt8(ascii: "*")), "without wildcards")
    expect(CertificateIdentity("DNS:" + value) == .dns(value), "lower case is stable")
  case .pin(let hash):
    let digits = hash.map { String($0 >> 4, radix: 16) + String($0 & 15, radix: 16) }.joined()
    expect(hash.count == 32 && name.lowercased() == "sha256:" + digits, "a hash comes back")
  case nil: break
  }
}
