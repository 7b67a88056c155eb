/// The kinds of record. The numbers are stored and never reused.
public enum RecordKind: UInt8, CaseIterable, Sendable, Codable {
  case patient = 1
  case merge = 2
  case unmerge = 3
  case image = 4
  case form = 5
  case instrument = 6
  case revocation = 7
  case enteredInError = 8
  case falseInformation = 9
  case authorityEvidence = 10
  case restrictionEnd = 11
  case expiryEvent = 12
  case expiryEventResolution = 13
  case determination = 14
  case determinationWithdrawal = 15
  case policy = 16
}

public struct RecordReference: Hashable, Sendable, Codable {
  public var kind: RecordKind
  public var id: RecordID

  public init(kind: RecordKind, id: RecordID) {
    self.kind = kind
    self.id = id
  }
}

/// Anything that can be recorded: the single type that stores and indexes append.
public enum Record: Hashable, Sendable, Codable {
  case patient(PatientRecord)
  case merge(PatientMerge)
  case unmerge(PatientUnmerge)
  case image(ImageRecord)
  case form(Form)
  case instrument(Instrument)
  case revocation(Revocation)
  case enteredInError(EnteredInError)
  case falseInformation(FalseInformation)
  case authorityEvidence(AuthorityEvidence)
  case restrictionEnd(RestrictionEnd)
  case expiryEvent(ExpiryEvent)
  case expiryEventResolution(ExpiryEventResolution)
  case determination(Determination)
  case determinationWithdrawal(DeterminationWithdrawal)
  case policy(Policy)

  public var kind: RecordKind {
    switch self {
    case .patient: .patient
    case .merge: .merge
    case .unmerge: .unmerge
    case .image: .image
    case .form: .form
    case .instrument: .instrument
    case .revocation: .revocation
    case .enteredInError: .enteredInError
    case .falseInformation: .falseInformation
    case .authorityEvidence: .authorityEvidence
    case .restrictionEnd: .restrictionEnd
    case .expiryEvent: .expiryEvent
    case .expiryEventResolution: .expiryEventResolution
    case .determination: .determination
    case .determinationWithdrawal: .determinationWithdrawal
    case .policy: .policy
    }
  }

  public var id: RecordID {
    switch self {
    case .patient(let r): r.recordID
    case .merge(let r): r.id.retyped()
    case .unmerge(let r): r.id.retyped()
    case .image(let r): r.recordID
    case .form(let r): r.recordID
    case .instrument(let r): r.id.retyped()
    case .revocation(let r): r.id.retyped()
    case .enteredInError(let r): r.id.retyped()
    case .falseInformation(let r): r.id.retyped()
    case .authorityEvidence(let r): r.id.retyped()
    case .restrictionEnd(let r): r.id.retyped()
    case .expiryEvent(let r): r.id.retyped()
    case .expiryEventResolution(let r): r.id.retyped()
    case .determination(let r): r.id.retyped()
    case .determinationWithdrawal(let r): r.id.retyped()
    case .policy(let r): r.recordID
    }
  }

  public var stamp: Stamp {
    get {
      switch self {
      case .patient(let r): r.stamp
      case .merge(let r): r.stamp
      case .unmerge(let r): r.stamp
      case .image(let r): r.stamp
      case .form(let r): r.stamp
      case .instrument(let r): r.stamp
      case .revocation(let r): r.stamp
      case .enteredInError(let r): r.stamp
      case .falseInformation(let r): r.stamp
      case .authorityEvidence(let r): r.stamp
      case .restrictionEnd(let r): r.stamp
      case .expiryEvent(let r): r.stamp
      case .expiryEventResolution(let r): r.stamp
      case .determination(let r): r.stamp
      case .determinationWithdrawal(let r): r.stamp
      case .policy(let r): r.stamp
      }
    }
    set { self = stamped(newValue) }
  }

  private func stamped(_ stamp: Stamp) -> Record {
    func with<R>(_ record: R, _ path: WritableKeyPath<R, Stamp>) -> R {
      var copy = record
      copy[keyPath: path] = stamp
      return copy
    }
    return switch self {
    case .patient(let r): .patient(with(r, \.stamp))
    case .merge(let r): .merge(with(r, \.stamp))
    case .unmerge(let r): .unmerge(with(r, \.stamp))
    case .image(let r): .image(with(r, \.stamp))
    case .form(let r): .form(with(r, \.stamp))
    case .instrument(let r): .instrument(with(r, \.stamp))
    case .revocation(let r): .revocation(with(r, \.stamp))
    case .enteredInError(let r): .enteredInError(with(r, \.stamp))
    case .falseInformation(let r): .falseInformation(with(r, \.stamp))
    case .authorityEvidence(let r): .authorityEvidence(with(r, \.stamp))
    case .restrictionEnd(let r): .restrictionEnd(with(r, \.stamp))
    case .expiryEvent(let r): .expiryEvent(with(r, \.stamp))
    case .expiryEventResolution(let r): .expiryEventResolution(with(r, \.stamp))
    case .determination(let r): .determination(with(r, \.stamp))
    case .determinationWithdrawal(let r): .determinationWithdrawal(with(r, \.stamp))
    case .policy(let r): .policy(with(r, \.stamp))
    }
  }
}
