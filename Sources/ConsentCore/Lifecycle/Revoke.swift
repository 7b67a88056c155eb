/// What a revocation does, besides the change itself.
public struct RevokeOutcome: Sendable {
  public var change: Change
  /// Whether it ends anything: an oral one does not where policy says so.
  public var binds: Bool
  /// Grants that had ended before: recorded all the same, with an event of its own kind.
  public var alreadyEnded: [GrantID]
  /// Grants that still permit some of the same uses of the same images; those named themselves
  /// too if the revocation does not bind.
  public var stillCovering: [GrantID]
  /// The images concerned.
  public var images: [ImageKey]
}

extension ChangeBuilder {
  /// Revokes grants (45 CFR 164.508(b)(5)): binds from recorded, whatever the paper's date.
  ///
  /// An oral revocation is recorded as such also where policy asks for a written one; it then ends
  /// nothing.
  public func revoke(_ revocation: Revocation) throws(CommandRefusal) -> RevokeOutcome {
    try refuse(timeViolations(revocation))
    var targets: [(paper: Instrument, grant: Grant)] = []
    for (index, id) in revocation.grants.enumerated() {
      let field = "revocation.grants[\(index)]"
      guard let target = facts.paper(of: id), isSamePatient(target.paper, revocation) else {
        throw .invalid([FieldViolation(field, "name a grant of this patient")])
      }
      if errors.contains(.instrument, target.paper.id) {
        throw .invalid([FieldViolation(field, "the paper was entered in error and needs none")])
      }
      if target.paper.signedOrReceived.isLater(than: revocation.signed) {
        throw .invalid([
          FieldViolation("revocation.signed", "a paper is revoked after it is signed")
        ])
      }
      try requireMayRevoke(revocation, target.paper, target.grant)
      targets.append(target)
    }
    return outcome(revocation, targets)
  }

  private func outcome(
    _ revocation: Revocation, _ targets: [(paper: Instrument, grant: Grant)]
  ) -> RevokeOutcome {
    let record = Record.revocation(revocation)
    let reference = RecordReference(kind: .revocation, id: record.id)
    let reach = self.reach
    let images = reach.images(of: targets)
    let binds = revocation.method != .oral || policy.oralRevocationBinds
    var outcome = RevokeOutcome(
      change: Change(), binds: binds, alreadyEnded: [],
      stillCovering: stillCovering(
        targets, except: binds ? Set(revocation.grants) : [], images: Set(images), reach),
      images: images)
    for (paper, grant) in targets {
      let version = facts.version(of: grant, in: paper)
      let isEnded = facts.isEnded(grant, in: paper, at: clock.now, errors: errors)
      let kind: EventKind =
        !binds ? .revocationNotBinding : isEnded ? .endedGrantRevoked : .grantRevoked
      var event = FeedEvent.of(
        kind, grant, version: version, of: paper, record: reference,
        images: reach.images(of: grant, in: paper), at: clock.now)
      if isEnded { outcome.alreadyEnded.append(grant.id) }
      if isEnded || !binds {
        // What ends no version can be said of it more than once; each is its own event.
        event.subject += ":" + reference.id.description
      } else {
        outcome.change.ends.append(
          GrantEnd(grant: grant.id, version: version, kind: .grantRevoked, ended: clock.now))
      }
      outcome.change.events.append(event)
    }
    outcome.change.records = [(record, 0)]
    return outcome
  }

  private func timeViolations(_ revocation: Revocation) -> [FieldViolation] {
    var found = signerViolations(revocation.signer, field: "revocation.signer")
    if revocation.grants.isEmpty {
      found.append(FieldViolation("revocation.grants", "name the grants"))
    }
    if Set(revocation.grants).count != revocation.grants.count {
      found.append(FieldViolation("revocation.grants", "name each grant once"))
    }
    if isInFuture(revocation.signed) {
      found.append(FieldViolation("revocation.signed", "a revocation cannot be in the future"))
    }
    if revocation.received > clock.now {
      found.append(
        FieldViolation("revocation.received", "a revocation is received before it is recorded"))
    }
    if facts.revocations.contains(where: { $0.id == revocation.id }) {
      found.append(FieldViolation("revocation.id", "this revocation is recorded already"))
    }
    return found
  }

  private func isSamePatient(_ paper: Instrument, _ revocation: Revocation) -> Bool {
    Persons(facts: facts, errors: errors, at: clock.now)
      .areSame(paper.patient, revocation.patient)
  }

  private func stillCovering(
    _ named: [(paper: Instrument, grant: Grant)], except ids: Set<GrantID>,
    images: Set<ImageKey>, _ reach: ImageReach
  ) -> [GrantID] {
    let uses = named.reduce(into: ClosedSet<Use>()) { $0 = $0.union($1.grant.uses) }
    var covering: [GrantID] = []
    for paper in facts.instruments where !errors.contains(.instrument, paper.id) {
      for grant in paper.grants
      where grant.effect == .permit && !ids.contains(grant.id)
        && !grant.uses.intersection(uses).isEmpty
        && !facts.isEnded(grant, in: paper, at: clock.now, errors: errors)
        && !images.isDisjoint(with: reach.images(of: grant, in: paper))
      {
        covering.append(grant.id)
      }
    }
    return covering.sorted()
  }
}
