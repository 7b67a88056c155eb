/// How and when a grant version ends: the earliest of everything that ends it.
public struct GrantEnding: Hashable, Sendable {
  public var kind: EventKind
  public var ended: Instant

  public init(kind: EventKind, ended: Instant) {
    self.kind = kind
    self.ended = ended
  }
}

extension Facts {
  /// The end these facts foresee or tell of; `nil` = none.
  ///
  /// Order breaks ties: a grant revoked at the instant it expires was revoked.
  public func ending(of grant: Grant, in paper: Instrument) -> GrantEnding? {
    ending(of: grant, in: paper, errors: EnteredErrors(enteredInError))
  }

  func ending(of grant: Grant, in paper: Instrument, errors: EnteredErrors) -> GrantEnding? {
    var endings: [GrantEnding] = []
    func add(_ kind: EventKind, _ instant: Instant?) {
      if let instant { endings.append(GrantEnding(kind: kind, ended: instant)) }
    }
    if errors.contains(.instrument, paper.id) {
      add(
        .recordEnteredInError,
        enteredInError
          .filter { $0.target == RecordReference(kind: .instrument, id: paper.id.retyped()) }
          .map(\.stamp.recorded).min())
    }
    let amendments = Amendments(of: paper, facts: self, errors: errors)
    add(.instrumentFalsified, amendments.falsified)
    add(.grantRevoked, revoked(grant, errors: errors))
    add(.restrictionEnded, amendments.restrictionEnded)
    switch grant.expiry {
    case .date(_, let until): add(.grantExpired, until)
    case .event(let event):
      if !errors.contains(.expiryEvent, event) {
        add(.grantExpired, occurrence(of: event, errors: errors))
      }
    case .majority: add(.grantExpired, amendments.majority)
    case .none: break
    }
    return endings.enumerated()
      .min { ($0.element.ended, $0.offset) < ($1.element.ended, $1.offset) }?.element
  }

  /// When the first revocation that binds was recorded.
  private func revoked(_ grant: Grant, errors: EnteredErrors) -> Instant? {
    revocations
      .filter { revocation in
        revocation.grants.contains(grant.id) && !errors.contains(.revocation, revocation.id)
          && (revocation.method != .oral
            || policy(at: revocation.stamp.recorded, errors: errors).oralRevocationBinds)
      }
      .map(\.stamp.recorded).min()
  }

  func isEnded(
    _ grant: Grant, in paper: Instrument, at: Instant, errors: EnteredErrors
  ) -> Bool {
    ending(of: grant, in: paper, errors: errors).map { $0.ended <= at } ?? false
  }

  private func isEnded(_ grant: Grant, in paper: Instrument, at: Instant) -> Bool {
    isEnded(grant, in: paper, at: at, errors: EnteredErrors(enteredInError))
  }

  /// The version of a grant: 1, and one more for each time it was brought back to life, by an
  /// entry in error or a corrected birth date.
  ///
  /// Every version ends by exactly one event, so what ended once and is live again needs a new
  /// number for its next end.
  public func version(of grant: Grant, in paper: Instrument) -> Int {
    let causes =
      enteredInError.map(\.stamp)
      + patients.filter { $0.id == paper.patient && $0.version > 1 }.map(\.stamp)
    return 1
      + causes.count { cause in
        let before = known { $0.precedes(cause) }
        let after = known { !cause.precedes($0) }
        return before.isEnded(grant, in: paper, at: cause.recorded)
          && !after.isEnded(grant, in: paper, at: cause.recorded)
      }
  }

  /// What of the facts that can end a grant was recorded then.
  private func known(_ isKnown: (Stamp) -> Bool) -> Facts {
    var facts = Facts()
    facts.policies = policies.filter { isKnown($0.stamp) }
    facts.patients = patients.filter { isKnown($0.stamp) }
    facts.revocations = revocations.filter { isKnown($0.stamp) }
    facts.enteredInError = enteredInError.filter { isKnown($0.stamp) }
    facts.falseInformation = falseInformation.filter { isKnown($0.stamp) }
    facts.restrictionEnds = restrictionEnds.filter { isKnown($0.stamp) }
    facts.expiryEventResolutions = expiryEventResolutions.filter { isKnown($0.stamp) }
    return facts
  }

  /// The paper a grant stands in.
  func paper(of grant: GrantID) -> (paper: Instrument, grant: Grant)? {
    for paper in instruments {
      if let found = paper.grants.first(where: { $0.id == grant }) { return (paper, found) }
    }
    return nil
  }
}
