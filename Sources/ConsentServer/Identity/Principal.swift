public import ConsentCore

/// What a caller may ask for. Method by role is one table: `MethodAccess`.
public enum Role: String, CaseIterable, Sendable, Codable {
  /// Calls check before each use.
  case checker
  /// Registers images, records papers, takes revocations.
  case recorder
  /// Reads reports on coverage.
  case reporter
  /// Reads decisions and proofs.
  case auditor
  /// Sets policy, merges patients.
  case administrator
}

/// Who calls: from credentials, never from the request.
public struct Principal: Sendable, Hashable {
  /// Name of the calling system or person; goes into records and the log.
  public var name: String
  public var organization: OrganizationID
  public var roles: Set<Role>
  public var limits: CallerLimits

  public init(
    name: String, organization: OrganizationID, roles: Set<Role>, limits: CallerLimits = .init()
  ) {
    self.name = name
    self.organization = organization
    self.roles = roles
    self.limits = limits
  }
}
