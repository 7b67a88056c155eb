import Crypto
import Foundation

public import ConsentCore

/// Static bearer tokens, from a file that holds only their SHA-256, so that reading the file does
/// not let anybody in.
///
/// JSON: `{"tokens":[{"name":"ehr","organization":"<uuid>","roles":["checker"],
/// "token_sha256":"<hex>","part2":false,"uses":["DIAGNOSIS"],"audiences":[...],"channels":[...]}]}`;
/// `uses`, `audiences` and `channels` limit what the caller may assert, absent = all.
public struct TokenFile: Sendable {
  private let principals: [[UInt8]: Principal]

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
    var principals: [[UInt8]: Principal] = [:]
    for (index, entry) in file.tokens.enumerated() {
      let (hash, principal) = try entry.principal(at: "\(name): tokens[\(index)]")
      guard principals.updateValue(principal, forKey: hash) == nil else {
        throw TokenFileError("\(name): tokens[\(index)] repeats an earlier token_sha256")
      }
    }
    self.principals = principals
  }

  /// Who presents `token`. The look-up is by hash, so its time tells nothing of the tokens.
  func principal(token: some DataProtocol) -> Principal? {
    principals[Array(SHA256.hash(data: token))]
  }

  public var organizations: Set<OrganizationID> { Set(principals.values.map(\.organization)) }
}

public struct TokenFileError: Error, CustomStringConvertible, Sendable {
  public var description: String
  init(_ description: String) { self.description = description }
}

extension TokenFile {
  private struct File: Decodable {
    var tokens: [Entry]
  }

  private struct Entry: Decodable {
    var name: String
    var organization: String
    var roles: [String]
    var tokenSHA256: String
    var part2: Bool?
    var uses: [String]?
    var audiences: [String]?
    var channels: [String]?

    enum CodingKeys: String, CodingKey {
      case name, organization, roles, part2, uses, audiences, channels
      case tokenSHA256 = "token_sha256"
    }

    func principal(at place: String) throws(TokenFileError) -> ([UInt8], Principal) {
      guard let organization = OrganizationID(organization) else {
        throw TokenFileError("\(place).organization is not a UUID")
      }
      guard !name.isEmpty else { throw TokenFileError("\(place).name is empty") }
      var roles: Set<Role> = []
      for name in self.roles {
        guard let role = Role(rawValue: name) else {
          let known = Role.allCases.map(\.rawValue).joined(separator: ", ")
          throw TokenFileError("\(place).roles: \(name) is not a role; use \(known)")
        }
        roles.insert(role)
      }
      guard let hash = bytes(hexadecimal: tokenSHA256), hash.count == 32 else {
        throw TokenFileError("\(place).token_sha256 is not 64 hexadecimal digits")
      }
      let limits = CallerLimits(
        uses: try closedSet(uses, \.name, "\(place).uses"),
        audiences: try closedSet(audiences, \.name, "\(place).audiences"),
        channels: try closedSet(channels, \.name, "\(place).channels"),
        seesPart2: part2 ?? false)
      return (
        hash, Principal(name: name, organization: organization, roles: roles, limits: limits)
      )
    }

    private func closedSet<Element>(
      _ names: [String]?, _ path: KeyPath<Element, String>, _ place: String
    ) throws(TokenFileError) -> ClosedSet<Element> {
      guard let names else { return .all }
      var set = ClosedSet<Element>()
      for name in names {
        guard let element = Element.allCases.first(where: { $0[keyPath: path] == name }) else {
          throw TokenFileError("\(place): \(name) is not one of the known names")
        }
        set.insert(element)
      }
      return set
    }
  }
}

/// The bytes of hexadecimal text; `nil` if it is anything else.
func bytes(hexadecimal text: String) -> [UInt8]? {
  let digits = text.utf8.map { Character(Unicode.Scalar($0)).hexDigitValue }
  guard digits.count.isMultiple(of: 2) else { return nil }
  var bytes: [UInt8] = []
  for index in stride(from: 0, to: digits.count, by: 2) {
    guard let high = digits[index], let low = digits[index + 1] else { return nil }
    bytes.append(UInt8(high << 4 | low))
  }
  return bytes
}
