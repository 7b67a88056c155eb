extension Decision {
  /// What the caller may see of the decision (42 CFR 2.13(c)(2)); the log keeps the true reasons.
  ///
  /// - Parameter holdsPart2: the organization holds at least one Part 2 image. Then
  ///   RESTRICTION_AGREED is hidden as well, so that ACCESS_RESTRICTED does not tell which.
  public func masked(for caller: CallerLimits, holdsPart2: Bool) -> Decision {
    guard !caller.seesPart2 else { return self }
    func isHidden(_ reason: Reason) -> Bool {
      reason.isPart2 || (holdsPart2 && reason == .restrictionAgreed)
    }
    var masked = self
    if isHidden(primary) { masked.primary = .accessRestricted }
    masked.further = []
    for reason in further.map({ isHidden($0) ? .accessRestricted : $0 })
    where reason != masked.primary && !masked.further.contains(reason) {
      masked.further.append(reason)
    }
    masked.records.removeAll { $0.isPart2 || isHidden($0.reason) }
    // PART2_NOTICE stays although it tells of the mark: 42 CFR 2.32 asks for the notice with every
    // disclosure, and a caller that was not told of it could not give it.
    return masked
  }
}
