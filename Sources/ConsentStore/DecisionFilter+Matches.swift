internal import ConsentCore

extension DecisionFilter {
  /// Whether every given field matches. A group matches by any of its images.
  public func matches(_ logged: LoggedDecision) -> Bool {
    let entry = logged.entry
    let decision = entry.decision
    if let from, decision.at < from { return false }
    if let until, decision.at >= until { return false }
    if let positionFrom, decision.position < positionFrom { return false }
    if let positionUntil, decision.position >= positionUntil { return false }
    if let patient, entry.patient != patient { return false }
    if let image, !entry.concerns(image) { return false }
    if let basisGrant,
      !(decision.effect == .permit
        && decision.records.contains { $0.part == .basis && $0.grant == basisGrant })
    {
      return false
    }
    if let effect, decision.effect != effect { return false }
    if let actor, entry.request.actor?.user != actor { return false }
    if !primaries.isEmpty, !primaries.contains(decision.primary) { return false }
    return !usesOnly || entry.request.intent == .use
  }
}

extension DecisionEntry {
  func concerns(_ image: ImageKey) -> Bool {
    guard let group else { return request.image == image }
    return group.images.contains(image)
  }
}
