/// What a use asks for in one cell of the use-by-audience table.
public enum Requirement: UInt8, CaseIterable, Sendable, Codable {
  case treatmentBasis = 1
  /// A treatment basis, with a business associate contract on file.
  case treatmentBasisWithContract = 2
  case operationsBasis = 3
  case operationsBasisWithContract = 4
  case individualAccess = 5
  case consent = 6
  case consentWithContract = 7
  case authorization = 8
  /// Research: recordable, never permitted by this version.
  case never = 9
}

/// One version of the organization's policy: a closed table of switches, each with a default and
/// a legal floor. Versions are dated; none takes effect before it is recorded.
public struct Policy: Hashable, Sendable, Codable {
  public var recordID: RecordID
  /// Dense from 1; version 0 is the built-in default before any was set.
  public var version: Int
  public var effective: Instant
  /// 164.506(c)(1), 164.501 "operations" (training): education within the own workforce needs no
  /// consent. Default false.
  public var educationOwnWorkforceAsOperations: Bool
  /// The same for supervised trainees. Default false.
  public var educationTraineesAsOperations: Bool
  /// 164.506(c)(4): education by another covered entity with a relationship. Default false.
  public var educationTreatingProviderAsOperations: Bool
  /// Diagnosis and consultation ask for consent besides the treatment basis. Default false.
  public var treatmentNeedsConsent: Bool
  /// Years of age at which an individual comes of age. Default 18.
  public var majorityAge: Int
  public var leapDayOnFebruary28: Bool
  /// A parent-signed grant past majority answers MAJORITY_REVIEW_REQUIRED. Default true.
  public var majorityReview: Bool
  /// An oral revocation binds. Default true.
  public var oralRevocationBinds: Bool
  public var treatmentRoles: ClosedSet<RoleClass>
  public var operationsRoles: ClosedSet<RoleClass>
  /// Roles that may attest an emergency.
  public var emergencyRoles: ClosedSet<RoleClass>
  /// Hours until an emergency override must be reviewed (REVIEW_WITHIN). Default 72.
  public var emergencyReviewHours: Int
  public var treatmentChannels: ClosedSet<Channel>
  public var internalEducationChannels: ClosedSet<Channel>
  public var externalEducationChannels: ClosedSet<Channel>
  public var individualChannels: ClosedSet<Channel>
  /// Recipients with a business associate contract on file.
  public var businessAssociates: [Identifier]
  /// Identifiers by which papers name this organization as the one who may disclose; the actor's
  /// own identifier and stated memberships count besides.
  public var organizationIdentifiers: [Identifier]
  /// Individuals who asked for e-mail after a warning: patients whose images may go by it.
  public var personalEmailRequests: [PatientID]
  /// Elements the organization asks of a CONSENT (164.506(b)(1) leaves it free).
  public var consentElements: ClosedSet<DefectElement>
  /// Obligations on an operations PERMIT (minimum necessary, 164.502(b)).
  public var operationsObligations: [Obligation]
  /// Days before an end at which `GrantExpiringSoon` is emitted. Default 30 and 7.
  public var expiringSoonDays: [Int]
  /// Microseconds by which clocks may be apart; near a boundary the DENY governs. Default 0.
  public var clockAllowanceMicroseconds: Int64
  public var stamp: Stamp

  /// What is in force before any policy was set; made once.
  static let builtIn = Policy()

  /// The defaults: version 0, effective always.
  public init(
    recordID: RecordID = RecordID(high: 0, low: 0), version: Int = 0,
    effective: Instant = .distantPast
  ) {
    self.recordID = recordID
    self.version = version
    self.effective = effective
    educationOwnWorkforceAsOperations = false
    educationTraineesAsOperations = false
    educationTreatingProviderAsOperations = false
    treatmentNeedsConsent = false
    majorityAge = 18
    leapDayOnFebruary28 = false
    majorityReview = true
    oralRevocationBinds = true
    treatmentRoles = [.clinician, .technologist, .trainee]
    operationsRoles = [.clinician, .technologist, .trainee, .educator]
    emergencyRoles = [.clinician]
    emergencyReviewHours = 72
    treatmentChannels = [.ehr, .pacsViewer, .secureMessaging, .print, .removableMedia]
    internalEducationChannels = [.ehr, .pacsViewer, .secureMessaging, .presentation]
    externalEducationChannels = [.presentation, .publication]
    individualChannels = [.patientPortal, .print, .removableMedia]
    businessAssociates = []
    organizationIdentifiers = []
    personalEmailRequests = []
    consentElements = [.signature, .signatureDate, .purpose]
    operationsObligations = [.removeBurnedInIdentifiers, .stripMetadata, .cropToRegion]
    expiringSoonDays = [30, 7]
    clockAllowanceMicroseconds = 0
    stamp = .unstamped
  }
}
