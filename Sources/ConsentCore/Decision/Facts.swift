/// Everything a decision about some images may see: plain arrays of immutable records, at one
/// feed position. A store fills one for the patients asked about; the in-memory store is one.
///
/// INVARIANT: order within the arrays never changes an answer.
public struct Facts: Sendable {
  /// The feed position these facts were read at.
  public var position: UInt64 = 0
  /// Every policy version recorded, including ones not yet effective.
  public var policies: [Policy] = []
  public var patients: [PatientRecord] = []
  public var merges: [PatientMerge] = []
  public var unmerges: [PatientUnmerge] = []
  /// Every version of the images asked about and of all their sources.
  public var images: [ImageRecord] = []
  public var forms: [Form] = []
  public var instruments: [Instrument] = []
  public var revocations: [Revocation] = []
  public var enteredInError: [EnteredInError] = []
  public var falseInformation: [FalseInformation] = []
  public var authorityEvidence: [AuthorityEvidence] = []
  public var restrictionEnds: [RestrictionEnd] = []
  public var expiryEvents: [ExpiryEvent] = []
  public var expiryEventResolutions: [ExpiryEventResolution] = []
  public var determinations: [Determination] = []
  public var determinationWithdrawals: [DeterminationWithdrawal] = []
  /// Records that could not be read: each denies its use (or every use) of its patient.
  public var unevaluable: [UnevaluableRecord] = []
  /// The organization holds at least one Part 2 image (then RESTRICTION_AGREED is masked too).
  public var organizationHoldsPart2 = false

  public init() {}

  public mutating func insert(_ record: Record) {
    position = max(position, record.stamp.position)
    switch record {
    case .patient(let r): patients.append(r)
    case .merge(let r): merges.append(r)
    case .unmerge(let r): unmerges.append(r)
    case .image(let r):
      images.append(r)
      if r.part2 != nil { organizationHoldsPart2 = true }
    case .form(let r): forms.append(r)
    case .instrument(let r): instruments.append(r)
    case .revocation(let r): revocations.append(r)
    case .enteredInError(let r): enteredInError.append(r)
    case .falseInformation(let r): falseInformation.append(r)
    case .authorityEvidence(let r): authorityEvidence.append(r)
    case .restrictionEnd(let r): restrictionEnds.append(r)
    case .expiryEvent(let r): expiryEvents.append(r)
    case .expiryEventResolution(let r): expiryEventResolutions.append(r)
    case .determination(let r): determinations.append(r)
    case .determinationWithdrawal(let r): determinationWithdrawals.append(r)
    case .policy(let r): policies.append(r)
    }
  }
}

/// A stored record that this version cannot read. It never vanishes: it denies.
public struct UnevaluableRecord: Hashable, Sendable, Codable {
  public var reference: RecordReference
  public var patient: PatientID
  /// `nil` = unreadable too: every use.
  public var use: Use?
  public var stamp: Stamp

  public init(reference: RecordReference, patient: PatientID, use: Use?, stamp: Stamp) {
    self.reference = reference
    self.patient = patient
    self.use = use
    self.stamp = stamp
  }
}
