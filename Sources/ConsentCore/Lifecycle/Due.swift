// What the clock makes due. Checks never wait for it; every expiry gets exactly one event, for its
// exact instant, also when the service was down then.

/// Something due, with the change that tells of it.
public struct Due: Sendable {
  /// The exact instant it counts from.
  public var instant: Instant
  public var change: Change
}

extension Facts {
  /// Grants that ended by date, named event or majority, not later than `at` less the clock
  /// allowance, in order of their ends. A grant that ended otherwise before is not among them.
  ///
  /// Repeatable: the same ends come again until their `GrantEnd` is stored, and a second storing
  /// is refused by its key (grant, version).
  public func dueEnds(at: Instant) -> [Due] {
    let errors = EnteredErrors(enteredInError)
    let allowance = max(0, policy(at: at, errors: errors).clockAllowanceMicroseconds)
    let limit = at.adding(microseconds: -allowance)
    var images = DueImages(facts: self, at: at)
    return everyGrant(errors).compactMap { paper, grant -> Due? in
      guard let ending = ending(of: grant, in: paper, errors: errors),
        ending.kind == .grantExpired, ending.ended <= limit
      else { return nil }
      let version = version(of: grant, in: paper)
      let event = FeedEvent.of(
        .grantExpired, grant, version: version, of: paper,
        images: images.reached(by: grant, in: paper), at: ending.ended)
      return Due(
        instant: ending.ended,
        change: Change(
          events: [event],
          ends: [
            GrantEnd(grant: grant.id, version: version, kind: .grantExpired, ended: ending.ended)
          ]))
    }
    .inOrder
  }

  /// Grants recorded before they take effect, and now in effect. Those in effect when recorded are
  /// told of by `InstrumentRecorded`.
  public func dueActivations(at: Instant) -> [Due] {
    let errors = EnteredErrors(enteredInError)
    var images: [Instant: DueImages] = [:]
    return everyGrant(errors).compactMap { paper, grant -> Due? in
      let from = grant.effectiveFrom
      guard from <= at, from > paper.stamp.recorded,
        ending(of: grant, in: paper, errors: errors).map({ $0.ended > from }) ?? true
      else { return nil }
      return due(
        .grantActivated, grant, paper, suffix: "", at: from,
        &images[from, default: DueImages(facts: self, at: from)])
    }
    .inOrder
  }

  /// Permits that end within a lead time of the policy and have not ended yet: for each grant the
  /// shortest lead time reached, so that a long outage does not make a burst.
  public func dueExpiringSoon(at: Instant) -> [Due] {
    let errors = EnteredErrors(enteredInError)
    let leads = policy(at: at, errors: errors).expiringSoonDays.sorted()
    var images: [Instant: DueImages] = [:]
    return everyGrant(errors).compactMap { paper, grant -> Due? in
      guard grant.effect == .permit,
        let ending = ending(of: grant, in: paper, errors: errors), ending.kind == .grantExpired,
        ending.ended > at,
        let lead = leads.first(where: { ending.ended.lessDays($0) <= at })
      else { return nil }
      let from = ending.ended.lessDays(lead)
      return due(
        .grantExpiringSoon, grant, paper, suffix: ":\(lead)", at: from,
        &images[from, default: DueImages(facts: self, at: from)])
    }
    .inOrder
  }

  /// Named events that nobody resolved by their expected day.
  public func overdueEvents(at: Instant) -> [Due] {
    let errors = EnteredErrors(enteredInError)
    return expiryEvents.compactMap { event -> Due? in
      guard let expected = event.expectedBy, expected <= at,
        !errors.contains(.expiryEvent, event.id),
        occurrence(of: event.id, errors: errors) == nil
      else { return nil }
      let reference = RecordReference(kind: .expiryEvent, id: event.id.retyped())
      return Due(
        instant: expected,
        change: Change(
          events: [.of(.expiryEventOverdue, reference, patient: event.patient, at: expected)]))
    }
    .inOrder
  }

  /// The first instant after `at` at which any of these lists can grow; `nil` = none foreseen.
  public func nextDue(after at: Instant) -> Instant? {
    let errors = EnteredErrors(enteredInError)
    let policy = policy(at: at, errors: errors)
    let allowance = max(0, policy.clockAllowanceMicroseconds)
    var instants: [Instant] = []
    for (paper, grant) in everyGrant(errors) {
      instants.append(grant.effectiveFrom)
      guard let ending = ending(of: grant, in: paper, errors: errors),
        ending.kind == .grantExpired
      else { continue }
      instants.append(ending.ended.adding(microseconds: allowance))
      instants += policy.expiringSoonDays.map { ending.ended.lessDays($0) }
    }
    for event in expiryEvents where occurrence(of: event.id, errors: errors) == nil {
      if let expected = event.expectedBy { instants.append(expected) }
    }
    return instants.filter { $0 > at }.min()
  }

  private func everyGrant(_ errors: EnteredErrors) -> [(Instrument, Grant)] {
    instruments
      .filter { !errors.contains(.instrument, $0.id) }
      .flatMap { paper in paper.grants.map { (paper, $0) } }
  }

  private func due(
    _ kind: EventKind, _ grant: Grant, _ paper: Instrument, suffix: String, at: Instant,
    _ images: inout DueImages
  ) -> Due {
    var event = FeedEvent.of(
      kind, grant, version: version(of: grant, in: paper), of: paper,
      images: images.reached(by: grant, in: paper), at: at)
    event.subject += suffix
    return Due(instant: at, change: Change(events: [event]))
  }
}

/// The images at an instant, looked up when the first grant is found to be due.
private struct DueImages {
  let facts: Facts
  let at: Instant
  private var reach: ImageReach?

  init(facts: Facts, at: Instant) {
    self.facts = facts
    self.at = at
  }

  mutating func reached(by grant: Grant, in paper: Instrument) -> [ImageKey] {
    let known = reach ?? ImageReach(IndexedFacts(facts), at: at)
    reach = known
    return known.images(of: grant, in: paper)
  }
}

extension Instant {
  fileprivate func lessDays(_ days: Int) -> Instant {
    let (delta, overflow) = Int64(days).multipliedReportingOverflow(by: .microsecondsPerDay)
    return overflow ? .distantPast : adding(microseconds: -delta)
  }
}

extension [Due] {
  fileprivate var inOrder: [Due] {
    sorted {
      ($0.instant, $0.change.events.first?.subject ?? "")
        < ($1.instant, $1.change.events.first?.subject ?? "")
    }
  }
}
