// Instants are exact for a clock allowance of zero; within the allowance of a boundary the DENY
// governs.

extension CaseFile {
  /// The answer at an instant with the policy's clock allowance, still without `validUntil`.
  func answer(at: Instant) -> Decision {
    let now = ruling(at: at)
    let allowance = allowance(at: at)
    guard now.effect == .permit, allowance > 0 else { return now }
    let first = at.adding(microseconds: -allowance)
    let last = at.adding(microseconds: allowance)
    let around = [first] + boundaries(after: first).prefix { $0 <= last }
    for instant in around {
      var other = ruling(at: instant)
      if other.effect == .deny {
        other.at = at
        return other
      }
    }
    return now
  }

  /// Microseconds; never negative.
  func allowance(at: Instant) -> Int64 {
    guard image.hasAllowance else { return 0 }
    return max(0, image.policyInForce(at: at).policy.clockAllowanceMicroseconds)
  }
}
