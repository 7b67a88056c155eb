public enum Effect: UInt8, CaseIterable, Sendable, Codable {
  case permit = 1
  case deny = 2
}

/// What a caller must do with a PERMIT. One that it cannot meet or does not know makes the answer
/// a DENY for it.
public enum Obligation: Hashable, Sendable, Codable {
  case removeBurnedInIdentifiers
  case stripMetadata
  case cropToRegion
  case limitToRecipient
  case askReceiverNotToRedisclose
  /// 42 CFR 2.32.
  case part2Notice
  /// Hours until the override must have been reviewed.
  case reviewWithin(hours: Int)
}

/// A record that took part in a decision, with the version that spoke.
public struct DecidingRecord: Hashable, Sendable, Codable {
  public enum Part: UInt8, CaseIterable, Sendable, Codable {
    /// The PERMIT rests on it.
    case basis = 1
    /// A deny the permit defeated.
    case defeated = 2
    /// The DENY rests on it.
    case denies = 3
    /// A grant that nearly covers, with its own code.
    case failed = 4
    /// A note, such as a restriction requested.
    case noted = 5
  }

  public var part: Part
  public var record: RecordReference
  /// The grant within an instrument.
  public var grant: GrantID?
  public var version: Int
  public var reason: Reason
  /// With AUTH_INCOMPLETE: the missing elements.
  public var defects: [DefectElement]
  /// Tells of a Part 2 record or consent: left out where the caller may not see it.
  public var isPart2: Bool

  public init(
    part: Part, record: RecordReference, grant: GrantID? = nil, version: Int = 1, reason: Reason,
    defects: [DefectElement] = [], isPart2: Bool = false
  ) {
    self.part = part
    self.record = record
    self.grant = grant
    self.version = version
    self.reason = reason
    self.defects = defects
    self.isPart2 = isPart2
  }
}

/// The answer of the one pure function. "No" is data; nothing here is thrown.
public struct Decision: Hashable, Sendable, Codable {
  public var effect: Effect
  public var primary: Reason
  /// In precedence order, without the primary.
  public var further: [Reason]
  public var records: [DecidingRecord]
  public var obligations: [Obligation]
  public var policyVersion: Int
  /// The first instant after `at`, exclusive, at which the clock alone changes effect, primary
  /// reason or obligations; `nil` = none.
  public var validUntil: Instant?
  public var at: Instant
  /// The feed position the facts were read at.
  public var position: UInt64
  /// Which rules decided; rules stay in the code as long as their records.
  public var rulesVersion: Int
  /// A PERMIT that rests on an attestation alone; 42 CFR 2.51 for a Part 2 record.
  public var isEmergencyOverride: Bool {
    effect == .permit && (primary == .emergencyOverride || primary == .part2MedicalEmergency)
  }

  public init(
    effect: Effect, primary: Reason, further: [Reason] = [], records: [DecidingRecord] = [],
    obligations: [Obligation] = [], policyVersion: Int = 0, validUntil: Instant? = nil,
    at: Instant, position: UInt64 = 0, rulesVersion: Int = Decision.currentRulesVersion
  ) {
    self.effect = effect
    self.primary = primary
    self.further = further
    self.records = records
    self.obligations = obligations
    self.policyVersion = policyVersion
    self.validUntil = validUntil
    self.at = at
    self.position = position
    self.rulesVersion = rulesVersion
  }

  public static let currentRulesVersion = 1
}
