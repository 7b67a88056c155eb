/// What happened, in the past tense. The numbers go into the feed and are never reused.
public enum EventKind: UInt8, CaseIterable, Sendable, Codable {
  case instrumentRecorded = 1
  case grantActivated = 2
  case grantExpiringSoon = 3
  case grantExpired = 4
  case grantRevoked = 5
  case grantReinstated = 6
  case recordEnteredInError = 7
  case instrumentFalsified = 8
  case restrictionAgreed = 9
  case restrictionEnded = 10
  case deidentificationDetermined = 11
  case deidentificationWithdrawn = 12
  case patientsMerged = 13
  case patientsUnmerged = 14
  case emergencyOverrideUsed = 15
  case expiryEventOverdue = 16
  case policyChanged = 17
  case imageRegistered = 18
  case imageCorrected = 19
  case patientRegistered = 20
  case patientCorrected = 21
  case expiryEventDeclared = 22
  case expiryEventResolved = 23
  case authorityEvidenceRecorded = 24
  case formRegistered = 25
  case documentStored = 26
  /// A revocation of a grant that had ended already.
  case endedGrantRevoked = 27
  /// An oral revocation where policy says that one does not bind: recorded, and the grant holds.
  case revocationNotBinding = 32

  /// Whether a decision can see what changed. The others (an end that the clock brought) leave
  /// every decision as it was.
  public var changesFacts: Bool {
    switch self {
    case .grantActivated, .grantExpiringSoon, .grantExpired, .emergencyOverrideUsed,
      .expiryEventOverdue, .documentStored:
      false
    default: true
    }
  }
}

/// One row of the feed before it has a position: no demographics, ids only.
public struct FeedEvent: Hashable, Sendable, Codable {
  public var kind: EventKind
  /// A function of what happened (kind, subject, version), so a retry cannot make a second one.
  public var subject: String
  public var patient: PatientID?
  /// The records or grants it speaks of.
  public var record: RecordReference?
  public var grants: [GrantID]
  /// The affected images, at most 256; `scope` says the rest.
  public var images: [ImageKey]
  public var scope: Scope?
  public var uses: ClosedSet<Use>
  /// The exact instant it counts from: for an expiry the instant of the end, not of the emission.
  public var occurred: Instant

  public init(
    kind: EventKind, subject: String, patient: PatientID?, record: RecordReference? = nil,
    grants: [GrantID] = [], images: [ImageKey] = [], scope: Scope? = nil,
    uses: ClosedSet<Use> = [], occurred: Instant
  ) {
    self.kind = kind
    self.subject = subject
    self.patient = patient
    self.record = record
    self.grants = grants
    self.images = images
    self.scope = scope
    self.uses = uses
    self.occurred = occurred
  }
}

/// Why a grant version ended: by exactly one event, whatever its kind or instant.
public struct GrantEnd: Hashable, Sendable, Codable {
  public var grant: GrantID
  public var version: Int
  public var kind: EventKind
  public var ended: Instant

  public init(grant: GrantID, version: Int = 1, kind: EventKind, ended: Instant) {
    self.grant = grant
    self.version = version
    self.kind = kind
    self.ended = ended
  }
}

/// A change as the store takes it: what is recorded, what ends and what is told, in one value, so
/// that a write without its event cannot be written down.
public struct Change: Sendable {
  /// INVARIANT: not empty; each event gets one feed position, and `records[i]` is stamped with the
  /// position of `events[record.event]`.
  public var events: [FeedEvent]
  public var records: [(record: Record, event: Int)]
  public var ends: [GrantEnd]

  public init(
    events: [FeedEvent] = [], records: [(record: Record, event: Int)] = [], ends: [GrantEnd] = []
  ) {
    self.events = events
    self.records = records
    self.ends = ends
  }

  /// Adds a record with the event that tells of it.
  public mutating func append(_ record: Record, event: FeedEvent) {
    events.append(event)
    records.append((record, events.count - 1))
  }
}
