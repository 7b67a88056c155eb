public enum InstrumentKind: UInt8, CaseIterable, Sendable, Codable {
  /// 45 CFR 164.508.
  case authorization = 1
  /// 45 CFR 164.506(b), or organization policy.
  case consent = 2
  case refusal = 3
  /// 45 CFR 164.522(a)(1)(i), not agreed to.
  case restrictionRequest = 4
  /// 45 CFR 164.522(a)(1)(iii).
  case restrictionAgreed = 5
  /// 42 CFR 2.31.
  case part2Consent = 6

  /// What a permit line of this paper is worth.
  public var strength: Strength {
    switch self {
    case .authorization: .authorization
    case .consent: .consent
    case .refusal, .restrictionRequest, .restrictionAgreed, .part2Consent: .none
    }
  }
}

public enum SignerCapacity: UInt8, CaseIterable, Sendable, Codable {
  case individual = 1
  /// 45 CFR 164.502(g)(3)(i)(A): the minor consents; no other consent is required by law.
  case minorConsenting = 2
  /// (B): the minor may lawfully obtain the service without a parent, by court or law.
  case minorByLawOrCourt = 3
  /// (C): the parent assented to confidentiality.
  case minorWithParentAssent = 4
  case parent = 5
  case guardian = 6
  case healthCareAgent = 7
  /// No health-care authority.
  case financialPowerOfAttorney = 8
  case executor = 9
  case otherRepresentative = 10

  public var isIndividual: Bool { rawValue <= SignerCapacity.minorWithParentAssent.rawValue }
  /// What a minor lawfully signed alone a parent cannot revoke.
  public var isMinorAlone: Bool { isIndividual && self != .individual }
  /// Authority that ends when the individual reaches majority.
  public var restsOnMinority: Bool { self == .parent }
}

/// Who signed, and in what capacity (45 CFR 164.502(g), 164.508(c)(1)(vi), 164.514(h)).
public struct Signer: Hashable, Sendable, Codable {
  public var capacity: SignerCapacity
  /// Tells one representative from another; `nil` matches nobody.
  public var identity: Identifier?
  /// The description of a representative's authority; empty or blank is a missing element.
  public var authorityDescription: String
  /// Uses the authority extends to; `nil` = all health-care decisions.
  public var authorityUses: ClosedSet<Use>?
  public var authorityFrom: LocalDay?
  /// First day on which the authority no longer stands.
  public var authorityUntil: LocalDay?
  public var verifiedBy: String?

  public init(
    capacity: SignerCapacity, identity: Identifier? = nil, authorityDescription: String = "",
    authorityUses: ClosedSet<Use>? = nil, authorityFrom: LocalDay? = nil,
    authorityUntil: LocalDay? = nil, verifiedBy: String? = nil
  ) {
    self.capacity = capacity
    self.identity = identity
    self.authorityDescription = authorityDescription
    self.authorityUses = authorityUses
    self.authorityFrom = authorityFrom
    self.authorityUntil = authorityUntil
    self.verifiedBy = verifiedBy
  }
}

/// An approved text that carries the statements of 45 CFR 164.508(c)(2).
public struct Form: Hashable, Sendable, Codable {
  public struct Reference: Hashable, Sendable, Codable {
    public var id: String
    public var version: String

    public init(id: String, version: String) {
      self.id = id
      self.version = version
    }
  }

  public var recordID: RecordID
  public var reference: Reference
  public var title: String
  public var kind: InstrumentKind
  public var statements: Statements
  public var stamp: Stamp

  public init(
    recordID: RecordID, reference: Reference, title: String, kind: InstrumentKind,
    statements: Statements,
    stamp: Stamp = .unstamped
  ) {
    self.recordID = recordID
    self.reference = reference
    self.title = title
    self.kind = kind
    self.statements = statements
    self.stamp = stamp
  }
}

/// The required statements, each asked of a paper on an unknown form: `nil` = not asked or not
/// answered, which counts as missing.
public struct Statements: Hashable, Sendable, Codable {
  /// (c)(2)(i): the right to revoke in writing, its exceptions and how.
  public var rightToRevoke: Bool?
  /// (c)(2)(ii): whether treatment may be conditioned on signing.
  public var conditioning: Bool?
  /// (c)(2)(iii): the potential for redisclosure.
  public var redisclosure: Bool?

  public init(rightToRevoke: Bool? = nil, conditioning: Bool? = nil, redisclosure: Bool? = nil) {
    self.rightToRevoke = rightToRevoke
    self.conditioning = conditioning
    self.redisclosure = redisclosure
  }
}

/// What a paper lacks, or what is wrong with it.
public struct Defect: Hashable, Sendable, Codable {
  public var element: DefectElement
  /// The signed part it concerns; `nil` = the whole paper.
  public var part: UInt8?

  public init(_ element: DefectElement, part: UInt8? = nil) {
    self.element = element
    self.part = part
  }
}

public enum DefectElement: UInt8, CaseIterable, Sendable, Codable {
  /// (c)(1)(i).
  case informationDescription = 1
  /// (c)(1)(ii).
  case discloser = 2
  /// (c)(1)(iii).
  case recipient = 3
  /// (c)(1)(iv).
  case purpose = 4
  /// (c)(1)(v); "none" counts as missing except for research.
  case expiry = 5
  /// (c)(1)(vi).
  case signature = 6
  case signatureDate = 7
  case representativeAuthority = 8
  /// (c)(2)(i).
  case rightToRevoke = 9
  /// (c)(2)(ii).
  case conditioning = 10
  /// (c)(2)(iii).
  case redisclosure = 11
  /// (b)(3).
  case compound = 12
  /// (b)(4).
  case conditioned = 13
  /// A representative's recorded authority does not reach this use or this day.
  case signerAuthority = 14
  /// An element the organization's own list asks of a consent.
  case organizationElement = 15
}

/// A signed or stated paper. Defective papers are recorded like any other: they exist.
public struct Instrument: Hashable, Sendable, Codable {
  public var id: InstrumentID
  public var patient: PatientID
  public var kind: InstrumentKind
  public var form: Form.Reference?
  /// The statements as carried by the form, or as asked of the paper.
  public var statements: Statements
  /// (c)(1)(i): the information in words; blank is a missing element.
  public var informationDescription: String
  public var signer: Signer
  /// A signature was seen on the paper (a stated refusal has none and needs none).
  public var isSigned: Bool
  /// `nil`: the paper bears no date, a missing element; compared as the day it was received.
  public var signed: SignedTime?
  /// The local day of `received`, which stands in for a missing signing date.
  public var receivedDay: LocalDay
  /// When the organization received it, stated by staff, never later than recorded.
  public var received: Instant
  /// Parts signed together with something else, against (b)(3).
  public var compoundParts: [UInt8]
  /// Parts on which treatment was conditioned, against (b)(4).
  public var conditionedParts: [UInt8]
  /// 164.508(c)(4): a work item, never a defect.
  public var copyGiven: Bool?
  /// SHA-256 (hexadecimal) of the scan, to warn of the same scan twice.
  public var documentSHA256: String?
  public var grants: [Grant]
  /// Found when it was recorded, by the rules version of that time; cured only by a new record.
  public var defects: [Defect]
  public var stamp: Stamp

  public init(
    id: InstrumentID, patient: PatientID, kind: InstrumentKind, form: Form.Reference? = nil,
    statements: Statements = .init(), informationDescription: String = "", signer: Signer,
    isSigned: Bool = true, signed: SignedTime?, receivedDay: LocalDay, received: Instant,
    compoundParts: [UInt8] = [], conditionedParts: [UInt8] = [], copyGiven: Bool? = nil,
    documentSHA256: String? = nil, grants: [Grant] = [], defects: [Defect] = [],
    stamp: Stamp = .unstamped
  ) {
    self.id = id
    self.patient = patient
    self.kind = kind
    self.form = form
    self.statements = statements
    self.informationDescription = informationDescription
    self.signer = signer
    self.isSigned = isSigned
    self.signed = signed
    self.receivedDay = receivedDay
    self.received = received
    self.compoundParts = compoundParts
    self.conditionedParts = conditionedParts
    self.copyGiven = copyGiven
    self.documentSHA256 = documentSHA256
    self.grants = grants
    self.defects = defects
    self.stamp = stamp
  }

  /// The time it is compared by with other papers.
  public var signedOrReceived: SignedTime { signed ?? SignedTime(day: receivedDay) }
}
