internal import ConsentCore
internal import ConsentStore

/// What is due and has not been told, by the rules of `ConsentCore` and the view it is asked in.
///
/// Under the organization's lock the answer is final: nobody can tell it meanwhile.
struct DueEvents {
  private let reader: any FactReader
  private let at: Instant

  init(_ reader: any FactReader, at: Instant) {
    self.reader = reader
    self.at = at
  }

  /// - Parameter patient: `nil` for what concerns the whole organization.
  /// - Returns: `nil` if nothing is due.
  func change(of patient: PatientID?) throws -> Change? {
    let due: [Due]
    if let patient {
      let facts = try reader.facts(patients: [patient], asOf: nil)
      due =
        facts.dueEnds(at: at) + facts.dueActivations(at: at) + facts.dueExpiringSoon(at: at)
        + facts.overdueEvents(at: at)
    } else {
      due = try reader.organizationFacts(asOf: nil).overdueEvents(at: at)
    }
    var change = Change()
    // The facts of a patient hold what is recorded of those merged with it: each tells its own.
    for one in due.sorted(by: { $0.instant < $1.instant })
    where one.change.events.allSatisfy({ $0.patient == patient }) {
      guard try isUntold(one.change) else { continue }
      change.events += one.change.events
      change.ends += one.change.ends
    }
    return change.events.isEmpty ? nil : change
  }

  /// INVARIANT (I4): a grant version ends once, whatever the kind of its end; so an end is looked
  /// for by grant and version, and not by the event.
  private func isUntold(_ change: Change) throws -> Bool {
    let ended = try reader.grantEnds(of: change.ends.map(\.grant))
    for end in change.ends
    where ended.contains(where: { $0.grant == end.grant && $0.version == end.version }) {
      return false
    }
    for event in change.events
    where try reader.hasEvent(kind: event.kind, subject: event.subject) {
      return false
    }
    return true
  }
}
