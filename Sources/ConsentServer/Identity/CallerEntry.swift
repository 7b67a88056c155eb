import ConsentCore

/// A caller as the files of this folder write one down.
struct CallerEntry: Decodable {
  var name: String
  var organization: String
  var roles: [String]
  var limits: LimitsEntry

  enum CodingKeys: String, CodingKey {
    case name, organization, roles
  }

  init(from decoder: any Decoder) throws {
    let container = try decoder.container(keyedBy: CodingKeys.self)
    name = try container.decode(String.self, forKey: .name)
    organization = try container.decode(String.self, forKey: .organization)
    roles = try container.decode([String].self, forKey: .roles)
    limits = try LimitsEntry(from: decoder)
  }

  /// - Parameter place: where the entry stands, for errors.
  func principal(at place: String) throws(TokenFileError) -> Principal {
    guard let organization = OrganizationID(organization) else {
      throw TokenFileError("\(place).organization is not a UUID")
    }
    guard !name.isEmpty else { throw TokenFileError("\(place).name is empty") }
    return Principal(
      name: name, organization: organization, roles: try Role.named(roles, at: "\(place).roles"),
      limits: try limits.limits(at: place))
  }
}

/// What a caller may assert; each absent list allows everything.
struct LimitsEntry: Decodable {
  var part2: Bool?
  var uses: [String]?
  var audiences: [String]?
  var channels: [String]?

  func limits(at place: String) throws(TokenFileError) -> CallerLimits {
    CallerLimits(
      uses: try closedSet(uses, \.name, "\(place).uses"),
      audiences: try closedSet(audiences, \.name, "\(place).audiences"),
      channels: try closedSet(channels, \.name, "\(place).channels"),
      seesPart2: part2 ?? false)
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

extension Role {
  static func named(_ names: [String], at place: String) throws(TokenFileError) -> Set<Role> {
    var roles: Set<Role> = []
    for name in names {
      guard let role = Role(rawValue: name) else {
        let known = Role.allCases.map(\.rawValue).joined(separator: ", ")
        throw TokenFileError("\(place): \(name) is not a role; use \(known)")
      }
      roles.insert(role)
    }
    return roles
  }
}
