import Crypto
import Foundation

public import ConsentCore

/// The callers known by name: by the SHA-256 of their bearer token, so that reading the file does
/// not let anybody in, or by what their client certificate says.
///
/// JSON: `{"tokens":[{"name":"ehr","organization":"<uuid>","roles":["checker"],
/// "token_sha256":"<hex>","part2":false,"uses":["DIAGNOSIS"],"audiences":[...],"channels":[...]}],
/// "certificates":[{"certificate":"URI:urn:example:pacs","name":"pacs", ...}]}`;
/// `uses`, `audiences` and `channels` limit what the caller may assert, absent = all. For
/// `certificate` see `CertificateIdentity`.
public struct TokenFile: Sendable {
  private let principals: [[UInt8]: Principal]
  private let certificates: [CertificateIdentity: Principal]

  /// Nobody.
  public init() {
    principals = [:]
    certificates = [:]
  }

  public init(contentsOf path: String) throws(TokenFileError) {
    guard let data = FileManager.default.contents(atPath: path) else {
      throw TokenFileError("cannot read the token file \(path); check its path and permissions")
    }
    try self.init(json: data, name: path)
  }

  init(json: Data, name: String) throws(TokenFileError) {
    let file: File
    do {
      file = try JSONDecoder().decode(File.self, from: json)
    } catch {
      throw TokenFileError("\(name) is not a token file; write one with `consentctl token`")
    }
    guard file.tokens != nil || file.certificates != nil else {
      throw TokenFileError("\(name) has neither `tokens` nor `certificates`")
    }
    var principals: [[UInt8]: Principal] = [:]
    for (index, entry) in (file.tokens ?? []).enumerated() {
      let place = "\(name): tokens[\(index)]"
      guard let hash = bytes(hexadecimal: entry.tokenSHA256), hash.count == 32 else {
        throw TokenFileError("\(place).token_sha256 is not 64 hexadecimal digits")
      }
      guard principals.updateValue(try entry.caller.principal(at: place), forKey: hash) == nil
      else { throw TokenFileError("\(place) repeats an earlier token_sha256") }
    }
    var certificates: [CertificateIdentity: Principal] = [:]
    for (index, entry) in (file.certificates ?? []).enumerated() {
      let place = "\(name): certificates[\(index)]"
      guard let identity = CertificateIdentity(entry.certificate) else {
        throw TokenFileError(
          "\(place).certificate is none of URI:…, DNS:…, email:… and sha256:<64 hexadecimal digits>"
        )
      }
      guard certificates.updateValue(try entry.caller.principal(at: place), forKey: identity) == nil
      else { throw TokenFileError("\(place) repeats an earlier certificate") }
    }
    self.principals = principals
    self.certificates = certificates
  }

  /// Who presents a token with this SHA-256. The look-up is by hash, so its time tells nothing of
  /// the tokens.
  func principal(tokenSHA256 hash: [UInt8]) -> Principal? { principals[hash] }

  /// Who presents `token`.
  func principal(token: some DataProtocol) -> Principal? {
    principal(tokenSHA256: Array(SHA256.hash(data: token)))
  }

  /// Whom a client certificate names: exactly one entry, or nobody. Two entries that fit one
  /// certificate contradict each other, and neither is believed.
  func principal(certificate identities: [CertificateIdentity]) -> Principal? {
    let found = Set(identities).compactMap { certificates[$0] }
    return found.count == 1 ? found[0] : nil
  }

  public var organizations: Set<OrganizationID> {
    Set(principals.values.map(\.organization)).union(certificates.values.map(\.organization))
  }

  /// A caller who is named as one of an issuer's callers could be; the two would not be told apart.
  public func firstName(ofAn issuers: IssuerFile) -> String? {
    let prefixes = issuers.issuers.values.map { $0.name + "/" }
    return (Array(principals.values) + Array(certificates.values)).map(\.name).sorted()
      .first { name in prefixes.contains { name.hasPrefix($0) } }
  }
}

extension TokenFile {
  private struct File: Decodable {
    var tokens: [TokenEntry]?
    var certificates: [CertificateEntry]?
  }

  private struct TokenEntry: Decodable {
    var caller: CallerEntry
    var tokenSHA256: String

    enum CodingKeys: String, CodingKey {
      case tokenSHA256 = "token_sha256"
    }

    init(from decoder: any Decoder) throws {
      caller = try CallerEntry(from: decoder)
      tokenSHA256 = try decoder.container(keyedBy: CodingKeys.self)
        .decode(String.self, forKey: .tokenSHA256)
    }
  }

  private struct CertificateEntry: Decodable {
    var caller: CallerEntry
    var certificate: String

    enum CodingKeys: String, CodingKey {
      case certificate
    }

    init(from decoder: any Decoder) throws {
      caller = try CallerEntry(from: decoder)
      certificate = try decoder.container(keyedBy: CodingKeys.self)
        .decode(String.self, forKey: .certificate)
    }
  }
}
