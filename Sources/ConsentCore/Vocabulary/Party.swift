/// An identifier with the authority that issued it (HL7 v2 CX.4, DICOM Issuer of Patient ID).
public struct Identifier: Hashable, Sendable, Codable {
  public var system: String
  public var value: String

  public init(system: String, value: String) {
    self.system = system
    self.value = value
  }
}

public enum RecipientKind: UInt8, CaseIterable, Sendable, Codable {
  case person = 1
  case organization = 2
  /// A class of persons, such as "radiology residents" (45 CFR 164.508(c)(1)(iii)).
  case `class` = 3
  /// A place of publication or presentation, such as a journal or a course.
  case venue = 4
}

/// Who may receive or disclose. Recipients match by identifier, never by text.
public struct Party: Hashable, Sendable, Codable {
  public var kind: RecipientKind
  /// `nil`: only described in words; such a party matches a deny and never a permit.
  public var identifier: Identifier?
  public var name: String?
  public var address: String?
  /// Organizations and classes the party is stated to belong to.
  public var memberOf: [Identifier]

  public init(
    kind: RecipientKind, identifier: Identifier?, name: String? = nil, address: String? = nil,
    memberOf: [Identifier] = []
  ) {
    self.kind = kind
    self.identifier = identifier
    self.name = name
    self.address = address
    self.memberOf = memberOf
  }
}

public enum RoleClass: UInt8, CaseIterable, Sendable, Codable {
  case clinician = 1
  case technologist = 2
  case trainee = 3
  case educator = 4
  case recordsStaff = 5
  case billing = 6
  case compliance = 7
  case itSupport = 8
  case other = 9
}

/// The actor's relationship to the patient, as the calling system states it.
public enum Relationship: UInt8, CaseIterable, Sendable, Codable {
  case careTeam = 1
  case order = 2
  case referral = 3
  case onCall = 4
  case noneStated = 5
}

/// Who is about to use the image.
public struct Actor: Hashable, Sendable, Codable {
  public var user: Identifier
  public var role: RoleClass
  /// National Provider Identifier, 10 digits.
  public var npi: String?
  public var relationship: Relationship
  /// Organizations, classes and Part 2 program units the actor is stated to belong to.
  public var memberOf: [Identifier]

  public init(
    user: Identifier, role: RoleClass, npi: String? = nil,
    relationship: Relationship = .noneStated, memberOf: [Identifier] = []
  ) {
    self.user = user
    self.role = role
    self.npi = npi
    self.relationship = relationship
    self.memberOf = memberOf
  }
}
