import ConsentCore
import Foundation

/// One issuer of tokens, as the issuers file describes it.
struct IssuerDescription: Sendable {
  /// Where a token's organization comes from.
  enum Organization: Sendable {
    case fixed(OrganizationID)
    /// A claim, which may name one of these: an issuer speaks for nobody it was not given.
    case claim(String, among: Set<OrganizationID>)

    var all: Set<OrganizationID> {
      switch self {
      case .fixed(let one): [one]
      case .claim(_, let some): some
      }
    }
  }

  /// Stands before a caller's name, so that callers of two issuers are never one.
  var name: String
  var issuer: String
  var audiences: Set<String>
  /// Where its keys stand, relative to the file.
  var keyFile: String
  var organization: Organization
  /// Claims that name the caller; the first that a token has counts.
  var nameClaims: [String]
  var scopes: [String: Set<Role>]
  var part2Scope: String?
  var limits: CallerLimits
  var leewayMicroseconds: Int64

  /// Every issuer of a file, no two of them alike.
  ///
  /// - Parameter name: the file's name, for errors.
  static func all(json: Data, name: String) throws(TokenFileError) -> [IssuerDescription] {
    let file: File
    do {
      file = try JSONDecoder().decode(File.self, from: json)
    } catch {
      throw TokenFileError("\(name) is not an issuers file; ops/identity.md shows one")
    }
    var issuers: Set<String> = []
    var names: Set<String> = []
    var all: [IssuerDescription] = []
    for (index, entry) in file.issuers.enumerated() {
      let place = "\(name): issuers[\(index)]"
      let description = try entry.description(at: place)
      guard issuers.insert(description.issuer).inserted else {
        throw TokenFileError("\(place) repeats an earlier issuer")
      }
      guard names.insert(description.name).inserted else {
        throw TokenFileError("\(place) repeats the name of an earlier issuer")
      }
      all.append(description)
    }
    guard !all.isEmpty else { throw TokenFileError("\(name) names no issuer") }
    return all
  }
}

extension IssuerDescription {
  private struct File: Decodable {
    var issuers: [Entry]
  }

  private struct Entry: Decodable {
    var name: String
    var issuer: String
    var audience: [String]
    var jwks: String
    var organization: String?
    var organizationClaim: String?
    var organizations: [String]?
    var nameClaim: String?
    var scopes: [String: [String]]?
    var part2Scope: String?
    var leewaySeconds: Int64?
    var limits: LimitsEntry

    enum CodingKeys: String, CodingKey {
      case name, issuer, audience, jwks, organization, organizations, scopes
      case organizationClaim = "organization_claim"
      case nameClaim = "name_claim"
      case part2Scope = "part2_scope"
      case leewaySeconds = "leeway_seconds"
    }

    init(from decoder: any Decoder) throws {
      let fields = try decoder.container(keyedBy: CodingKeys.self)
      name = try fields.decode(String.self, forKey: .name)
      issuer = try fields.decode(String.self, forKey: .issuer)
      if let one = try? fields.decode(String.self, forKey: .audience) {
        audience = [one]
      } else {
        audience = try fields.decode([String].self, forKey: .audience)
      }
      jwks = try fields.decode(String.self, forKey: .jwks)
      organization = try fields.decodeIfPresent(String.self, forKey: .organization)
      organizationClaim = try fields.decodeIfPresent(String.self, forKey: .organizationClaim)
      organizations = try fields.decodeIfPresent([String].self, forKey: .organizations)
      nameClaim = try fields.decodeIfPresent(String.self, forKey: .nameClaim)
      scopes = try fields.decodeIfPresent([String: [String]].self, forKey: .scopes)
      part2Scope = try fields.decodeIfPresent(String.self, forKey: .part2Scope)
      leewaySeconds = try fields.decodeIfPresent(Int64.self, forKey: .leewaySeconds)
      limits = try LimitsEntry(from: decoder)
    }

    func description(at place: String) throws(TokenFileError) -> IssuerDescription {
      guard !name.isEmpty, name.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7F && $0 != 0x2F }) else {
        throw TokenFileError("\(place).name is not a word without blanks and slashes")
      }
      guard !issuer.isEmpty else { throw TokenFileError("\(place).issuer is empty") }
      guard !audience.isEmpty, !audience.contains("") else {
        throw TokenFileError("\(place).audience is empty; name this service as its tokens do")
      }
      let leeway = leewaySeconds ?? 60
      guard (0...300).contains(leeway) else {
        throw TokenFileError("\(place).leeway_seconds is not 0 to 300")
      }
      guard limits.part2 == nil else {
        throw TokenFileError("\(place).part2 is not for all callers of an issuer; use part2_scope")
      }
      var scopes = ScopeTable.smart
      if let own = self.scopes {
        scopes = [:]
        for (scope, roles) in own {
          scopes[scope] = try Role.named(roles, at: "\(place).scopes")
        }
      }
      return IssuerDescription(
        name: name, issuer: issuer, audiences: Set(audience), keyFile: jwks,
        organization: try organization(at: place),
        nameClaims: nameClaim.map { [$0] } ?? ["client_id", "sub"], scopes: scopes,
        part2Scope: part2Scope, limits: try limits.limits(at: place),
        leewayMicroseconds: leeway * 1_000_000)
    }

    private func organization(at place: String) throws(TokenFileError)
      -> IssuerDescription.Organization
    {
      switch (organization, organizationClaim) {
      case (let text?, nil):
        guard let id = OrganizationID(text) else {
          throw TokenFileError("\(place).organization is not a UUID")
        }
        return .fixed(id)
      case (nil, let claim?):
        let named = organizations ?? []
        let ids = Set(named.compactMap { OrganizationID($0) })
        guard !named.isEmpty, ids.count == named.count else {
          throw TokenFileError(
            "\(place).organizations is not a list of different UUIDs: those that"
              + " \(claim) may name")
        }
        return .claim(claim, among: ids)
      default:
        throw TokenFileError("\(place): give one of organization and organization_claim")
      }
    }
  }
}
