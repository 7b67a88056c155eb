// Rung 3: a restriction the organization agreed to (45 CFR 164.522(a)(1)(iii)). It binds treatment
// and operations only, and never defeats an authorization.

extension Moment {
  func agreedRestriction(_ question: Question, requirement: Requirement) -> Verdict? {
    guard requirement.isTreatmentOrOperations else { return nil }
    let restrictions = file.image.agreedRestrictions.filter { isInForce(deny: $0, question) }
    guard !restrictions.isEmpty else { return nil }
    if suffices(validCovers(question, atLeast: .authorization)) { return nil }
    return .deny(
      .restrictionAgreed,
      records: restrictions.map { $0.record(.denies, .restrictionAgreed) }.inOrder)
  }

  /// A deny line that stands, speaks of this question and reaches an image of the lineage.
  func isInForce(deny line: Line, _ question: Question) -> Bool {
    !line.isPermit && line.denies(question) && stands(line) && !reach(ofDeny: line).isEmpty
  }
}

extension [DecidingRecord] {
  /// By identity, so that the order of facts never shows.
  var inOrder: [DecidingRecord] {
    guard count > 1 else { return self }
    return sorted {
      ($0.part.rawValue, $0.record.id, $0.grant ?? GrantID(high: 0, low: 0))
        < ($1.part.rawValue, $1.record.id, $1.grant ?? GrantID(high: 0, low: 0))
    }
  }
}
