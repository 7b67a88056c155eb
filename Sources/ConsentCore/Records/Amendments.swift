// Records that change what other records mean. Nothing is edited: each is a record of its own.

public enum RevocationMethod: UInt8, CaseIterable, Sendable, Codable {
  case written = 1
  /// Binds by default (policy switch).
  case oral = 2
  case portal = 3
}

/// 45 CFR 164.508(b)(5). Revoked = valid until recorded.
public struct Revocation: Hashable, Sendable, Codable {
  public var id: ID<Revocation>
  public var patient: PatientID
  public var grants: [GrantID]
  public var method: RevocationMethod
  public var signer: Signer
  public var signed: SignedTime
  public var received: Instant
  public var stamp: Stamp

  public init(
    id: ID<Revocation>, patient: PatientID, grants: [GrantID], method: RevocationMethod,
    signer: Signer, signed: SignedTime, received: Instant, stamp: Stamp = .unstamped
  ) {
    self.id = id
    self.patient = patient
    self.grants = grants
    self.method = method
    self.signer = signer
    self.signed = signed
    self.received = received
    self.stamp = stamp
  }
}

/// The record was never valid. Answers given meanwhile stay as given, marked.
public struct EnteredInError: Hashable, Sendable, Codable {
  public var id: ID<EnteredInError>
  public var target: RecordReference
  public var note: String
  public var stamp: Stamp

  public init(
    id: ID<EnteredInError>, target: RecordReference, note: String, stamp: Stamp = .unstamped
  ) {
    self.id = id
    self.target = target
    self.note = note
    self.stamp = stamp
  }
}

/// 45 CFR 164.508(b)(2)(v): material information on the paper is known to be false.
public struct FalseInformation: Hashable, Sendable, Codable {
  public var id: ID<FalseInformation>
  public var instrument: InstrumentID
  public var note: String
  public var stamp: Stamp

  public init(
    id: ID<FalseInformation>, instrument: InstrumentID, note: String, stamp: Stamp = .unstamped
  ) {
    self.id = id
    self.instrument = instrument
    self.note = note
    self.stamp = stamp
  }
}

/// What was found of a representative's authority (45 CFR 164.514(h)).
public struct AuthorityEvidence: Hashable, Sendable, Codable {
  public enum Finding: UInt8, CaseIterable, Sendable, Codable {
    case establishesAuthority = 1
    case showsNoAuthority = 2
  }

  public var id: ID<AuthorityEvidence>
  public var instrument: InstrumentID
  public var finding: Finding
  public var verifiedBy: String
  public var note: String
  public var stamp: Stamp

  public init(
    id: ID<AuthorityEvidence>, instrument: InstrumentID, finding: Finding, verifiedBy: String,
    note: String, stamp: Stamp = .unstamped
  ) {
    self.id = id
    self.instrument = instrument
    self.finding = finding
    self.verifiedBy = verifiedBy
    self.note = note
    self.stamp = stamp
  }
}

/// An agreed restriction was ended (45 CFR 164.522(a)(2)); counts from recorded.
public struct RestrictionEnd: Hashable, Sendable, Codable {
  public var id: ID<RestrictionEnd>
  public var instrument: InstrumentID
  public var note: String
  public var stamp: Stamp

  public init(
    id: ID<RestrictionEnd>, instrument: InstrumentID, note: String, stamp: Stamp = .unstamped
  ) {
    self.id = id
    self.instrument = instrument
    self.note = note
    self.stamp = stamp
  }
}

/// A named event on which grants expire, such as "end of the residency".
public struct ExpiryEvent: Hashable, Sendable, Codable {
  public var id: ID<ExpiryEvent>
  /// `nil` = concerns the whole organization.
  public var patient: PatientID?
  public var definition: String
  /// By when it should have been resolved; afterwards `ExpiryEventOverdue` is emitted.
  public var expectedBy: Instant?
  public var stamp: Stamp

  public init(
    id: ID<ExpiryEvent>, patient: PatientID?, definition: String, expectedBy: Instant?,
    stamp: Stamp = .unstamped
  ) {
    self.id = id
    self.patient = patient
    self.definition = definition
    self.expectedBy = expectedBy
    self.stamp = stamp
  }
}

/// The event happened. Counts from the later of occurred and recorded.
public struct ExpiryEventResolution: Hashable, Sendable, Codable {
  public var id: ID<ExpiryEventResolution>
  public var event: ID<ExpiryEvent>
  public var occurred: Instant
  public var stamp: Stamp

  public init(
    id: ID<ExpiryEventResolution>, event: ID<ExpiryEvent>, occurred: Instant,
    stamp: Stamp = .unstamped
  ) {
    self.id = id
    self.event = event
    self.occurred = occurred
    self.stamp = stamp
  }

  public var counts: Instant { max(occurred, stamp.recorded) }
}
