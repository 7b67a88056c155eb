public enum DeidentificationMethod: UInt8, CaseIterable, Sendable, Codable {
  /// 45 CFR 164.514(b)(1).
  case expertDetermination = 1
  /// 45 CFR 164.514(b)(2).
  case safeHarbor = 2
}

/// Evidence that one image (never an original) carries no PHI. In force only with all three
/// findings true, and while no DICOM flag contradicts it.
public struct Determination: Hashable, Sendable, Codable {
  public var id: ID<Determination>
  public var image: ImageKey
  public var method: DeidentificationMethod
  public var by: String
  public var determined: Instant
  /// Exclusive end; `nil` = no end stated.
  public var until: Instant?
  /// `nil` = not examined.
  public var identityRemoved: Bool?
  public var noBurnedInText: Bool?
  public var noRecognizableFeatures: Bool?
  public var stamp: Stamp

  public init(
    id: ID<Determination>, image: ImageKey, method: DeidentificationMethod, by: String,
    determined: Instant, until: Instant? = nil, identityRemoved: Bool? = nil,
    noBurnedInText: Bool? = nil, noRecognizableFeatures: Bool? = nil, stamp: Stamp = .unstamped
  ) {
    self.id = id
    self.image = image
    self.method = method
    self.by = by
    self.determined = determined
    self.until = until
    self.identityRemoved = identityRemoved
    self.noBurnedInText = noBurnedInText
    self.noRecognizableFeatures = noRecognizableFeatures
    self.stamp = stamp
  }
}

public struct DeterminationWithdrawal: Hashable, Sendable, Codable {
  public var id: ID<DeterminationWithdrawal>
  public var determination: ID<Determination>
  public var note: String
  public var stamp: Stamp

  public init(
    id: ID<DeterminationWithdrawal>, determination: ID<Determination>, note: String,
    stamp: Stamp = .unstamped
  ) {
    self.id = id
    self.determination = determination
    self.note = note
    self.stamp = stamp
  }
}
