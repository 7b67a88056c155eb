// Until when an answer stands by the clock alone, on the same facts and policy.

extension CaseFile {
  /// The first instant after the decision's, exclusive, at which the same request gets another
  /// effect, primary reason or obligation. An override answers for an hour at most.
  func validUntil(_ decision: Decision) -> Instant? {
    let change = changes(after: decision.at).first { instant in
      let later = answer(at: instant)
      return later.effect != decision.effect || later.primary != decision.primary
        || later.obligations != decision.obligations
    }
    guard decision.isEmergencyOverride else { return change }
    let limit = decision.at.adding(microseconds: Moment.emergencyMicroseconds)
    return change.map { min($0, limit) } ?? limit
  }

  /// The instants at which an answer can change: the boundaries, or with a clock allowance the
  /// ends of the time around each.
  func changes(after at: Instant) -> [Instant] {
    guard facts.policies.contains(where: { $0.clockAllowanceMicroseconds > 0 }) else {
      return boundaries(after: at)
    }
    let allowances = Set([0] + facts.policies.map { max(0, $0.clockAllowanceMicroseconds) })
    var instants: Set<Instant> = []
    for boundary in boundaries(after: .distantPast) {
      for allowance in allowances {
        instants.insert(boundary.adding(microseconds: -allowance))
        instants.insert(boundary.adding(microseconds: allowance))
        instants.insert(boundary)
      }
    }
    return instants.filter { $0 > at }.sorted()
  }

  /// Every instant after `at` at which any fact of this case begins or ceases to count, ascending.
  func boundaries(after at: Instant) -> [Instant] {
    var instants: [Instant] = []
    func add(_ instant: Instant?) {
      // The ends of the range stand for "always" and "never".
      if let instant, instant > at, instant != .distantFuture { instants.append(instant) }
    }
    for policy in facts.policies { add(policy.effective) }
    for line in lines {
      add(line.grant.effectiveFrom)
      add(line.endsByDate)
      add(line.endsByEvent)
      add(line.falsified)
      add(line.restrictionEnded)
      add(line.withoutAuthority)
      for revocation in line.revocations { add(revocation.stamp.recorded) }
    }
    for patient in patients.values { add(patient.majority) }
    if let own = lineage?.own {
      for determination in facts.determinations where determination.image == own.key {
        add(determination.determined)
        add(determination.until)
        for withdrawal in facts.determinationWithdrawals
        where withdrawal.determination == determination.id {
          add(withdrawal.stamp.recorded)
        }
      }
    }
    for merge in facts.merges { add(merge.stamp.recorded) }
    for unmerge in facts.unmerges { add(unmerge.stamp.recorded) }
    instants.sort()
    // Few, and mostly different: a set would cost more than what it saves.
    return instants.enumerated().filter { $0 == 0 || instants[$0 - 1] != $1 }.map(\.element)
  }
}
