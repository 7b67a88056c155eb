import ConsentCore

/// The decision written a second time, straight from the prose of the domain text: it looks at
/// every record for every question, keeps nothing, and is as slow as it is obvious. What `decide`
/// answers must be what this answers.
struct ReferenceDecider {
  func decide(_ request: CheckRequest, caller: CallerLimits, facts: Facts, at: Instant) -> (
    effect: Effect, primary: Reason, obligations: Set<Obligation>
  ) {
    answer(request, caller: caller, register: ReferenceRegister(facts, at: at))
  }

  private func answer(_ request: CheckRequest, caller: CallerLimits, register: ReferenceRegister)
    -> (effect: Effect, primary: Reason, obligations: Set<Obligation>)
  {
    let answer = ReferenceLadder(request: request, caller: caller, register: register).answer()
    return (answer.effect, answer.primary, answer.obligations)
  }

  /// The first instant after `at` at which the clock alone changes the answer, found by asking
  /// again at every instant that the facts mention, and a microsecond before and after each.
  func validUntil(_ request: CheckRequest, caller: CallerLimits, facts: Facts, at: Instant)
    -> Instant?
  {
    let now = decide(request, caller: caller, facts: facts, at: at)
    let change = instantsToTry(facts, after: at).first { later in
      decide(request, caller: caller, facts: facts, at: later) != now
    }
    // "for this answer only (`valid_until` = at + 60 min)"
    guard now.primary == .emergencyOverride || now.primary == .part2MedicalEmergency else {
      return change
    }
    let hour = at.adding(microseconds: 60 * .microsecondsPerMinute)
    return min(change ?? hour, hour)
  }

  func instantsToTry(_ facts: Facts, after at: Instant) -> [Instant] {
    var tries: Set<Instant> = []
    for instant in facts.mentionedInstants {
      for delta: Int64 in [-1, 0, 1] { tries.insert(instant.adding(microseconds: delta)) }
    }
    return tries.filter { $0 > at }.sorted()
  }

  /// "Callers without the Part 2 role see ACCESS_RESTRICTED in place of any Part 2 reason, and in
  /// organizations holding Part 2 images in place of RESTRICTION_AGREED too."
  static func shown(_ reason: Reason, to caller: CallerLimits, in facts: Facts) -> Reason {
    if caller.seesPart2 { return reason }
    switch reason {
    case .part2Internal, .part2ConsentRequired, .part2MedicalEmergency: return .accessRestricted
    case .restrictionAgreed: return facts.organizationHoldsPart2 ? .accessRestricted : reason
    default: return reason
    }
  }
}

extension Facts {
  /// Every instant that any fact speaks of.
  var mentionedInstants: Set<Instant> {
    var all: Set<Instant> = []
    func note(_ instant: Instant?) {
      if let instant, instant != .distantPast, instant != .distantFuture { all.insert(instant) }
    }
    for r in policies { [r.effective, r.stamp.recorded].forEach(note) }
    for r in patients { [r.majority, r.stamp.recorded].forEach(note) }
    for r in merges { note(r.stamp.recorded) }
    for r in unmerges { note(r.stamp.recorded) }
    for r in images { [r.acquired, r.firstRecorded, r.stamp.recorded].forEach(note) }
    for r in instruments {
      [r.signed?.instant, r.received, r.stamp.recorded].forEach(note)
      for g in r.grants {
        note(g.effectiveFrom)
        if case .date(_, let until) = g.expiry { note(until) }
      }
    }
    for r in revocations { [r.signed.instant, r.received, r.stamp.recorded].forEach(note) }
    for r in enteredInError { note(r.stamp.recorded) }
    for r in falseInformation { note(r.stamp.recorded) }
    for r in authorityEvidence { note(r.stamp.recorded) }
    for r in restrictionEnds { note(r.stamp.recorded) }
    for r in expiryEvents { [r.expectedBy, r.stamp.recorded].forEach(note) }
    for r in expiryEventResolutions { [r.occurred, r.counts, r.stamp.recorded].forEach(note) }
    for r in determinations { [r.determined, r.until, r.stamp.recorded].forEach(note) }
    for r in determinationWithdrawals { note(r.stamp.recorded) }
    for r in unevaluable { note(r.stamp.recorded) }
    return all
  }
}
