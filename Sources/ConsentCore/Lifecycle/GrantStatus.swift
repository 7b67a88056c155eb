/// The state of a grant, for display; decisions do not use it.
public struct GrantStatus: Hashable, Sendable {
  public enum State: UInt8, CaseIterable, Sendable {
    case active = 1
    case notYetEffective = 2
    case expired = 3
    case revoked = 4
    case defective = 5
    case enteredInError = 6
    case falsified = 7
    case restrictionEnded = 8
    case majorityReview = 9
    case signerNoAuthority = 10
  }

  public var state: State
  public var version: Int
  /// When it ended or will end; `nil` = none known.
  public var ends: Instant?
  public var defects: [DefectElement]
}

extension GrantStatus.State: NamedWord { public var name: String { upperSnakeCase("\(self)") } }

extension Facts {
  /// `nil` if no paper among these facts holds the grant.
  public func status(of grant: GrantID, at: Instant) -> GrantStatus? {
    guard let (paper, found) = paper(of: grant) else { return nil }
    let errors = EnteredErrors(enteredInError)
    let ending = ending(of: found, in: paper, errors: errors)
    let defects = paper.defects.filter { $0.part == nil || $0.part == found.part }.map(\.element)
    return GrantStatus(
      state: state(of: found, in: paper, ending: ending, defects: defects, errors: errors, at: at),
      version: version(of: found, in: paper), ends: ending?.ended, defects: defects)
  }

  private func state(
    of grant: Grant, in paper: Instrument, ending: GrantEnding?, defects: [DefectElement],
    errors: EnteredErrors, at: Instant
  ) -> GrantStatus.State {
    // Entered in error = never valid, at any instant.
    if errors.contains(.instrument, paper.id) { return .enteredInError }
    if let ending, ending.ended <= at {
      switch ending.kind {
      case .instrumentFalsified: return .falsified
      case .grantRevoked: return .revoked
      case .restrictionEnded: return .restrictionEnded
      default: return .expired
      }
    }
    if grant.effect == .permit {
      let amendments = Amendments(of: paper, facts: self, errors: errors)
      let lacksAuthority = amendments.withoutAuthority.map { $0 <= at } ?? false
      if lacksAuthority || amendments.signedPastMajority || defects.contains(.signerAuthority) {
        return .signerNoAuthority
      }
      if !defects.isEmpty { return .defective }
      if paper.signer.capacity.restsOnMinority, policy(at: at, errors: errors).majorityReview,
        amendments.majority.map({ $0 <= at }) ?? true
      {
        return .majorityReview
      }
    }
    return grant.effectiveFrom > at ? .notYetEffective : .active
  }
}
