public enum GrantEffect: UInt8, CaseIterable, Sendable, Codable {
  case permit = 1
  case deny = 2
}

/// What a grant covers. Specificity: image > series > study > patient.
public enum Scope: Hashable, Sendable, Codable {
  case image(ImageKey)
  case series(uid: String)
  case study(uid: String)
  case patient

  public var specificity: Int {
    switch self {
    case .patient: 0
    case .study: 1
    case .series: 2
    case .image: 3
    }
  }
}

/// When a grant ends by itself.
public enum Expiry: Hashable, Sendable, Codable {
  /// The last day on paper, and the instant at which it has passed (the next local midnight).
  case date(LocalDay, until: Instant)
  case event(ID<ExpiryEvent>)
  /// When the individual reaches majority.
  case majority
  /// Lawful for research only (45 CFR 164.508(c)(1)(v)).
  case none
}

/// One line of an instrument.
public struct Grant: Hashable, Sendable, Codable {
  public var id: GrantID
  /// The signed part of the paper it stands in, from 1.
  public var part: UInt8
  public var effect: GrantEffect
  public var scope: Scope
  /// Covers only images acquired not later than the day of signing.
  public var presentOnly: Bool
  public var uses: ClosedSet<Use>
  public var audiences: ClosedSet<Audience>
  /// Empty: nobody is named (for own workforce and trainees none need be).
  public var recipients: [Party]
  /// Empty: the organization itself.
  public var disclosers: [Party]
  /// `nil`: no limit beyond policy.
  public var channels: ClosedSet<Channel>?
  /// Inclusive start of the effective period, never before signing.
  public var effectiveFrom: Instant
  public var expiry: Expiry
  /// "This image only": a permit that does not flow down to derivatives.
  public var withoutDerivatives: Bool
  /// Obligations that the paper's own text sets.
  public var obligations: [Obligation]

  public init(
    id: GrantID, part: UInt8 = 1, effect: GrantEffect, scope: Scope, presentOnly: Bool = false,
    uses: ClosedSet<Use>, audiences: ClosedSet<Audience>, recipients: [Party] = [],
    disclosers: [Party] = [], channels: ClosedSet<Channel>? = nil, effectiveFrom: Instant,
    expiry: Expiry, withoutDerivatives: Bool = false, obligations: [Obligation] = []
  ) {
    self.id = id
    self.part = part
    self.effect = effect
    self.scope = scope
    self.presentOnly = presentOnly
    self.uses = uses
    self.audiences = audiences
    self.recipients = recipients
    self.disclosers = disclosers
    self.channels = channels
    self.effectiveFrom = effectiveFrom
    self.expiry = expiry
    self.withoutDerivatives = withoutDerivatives
    self.obligations = obligations
  }
}
