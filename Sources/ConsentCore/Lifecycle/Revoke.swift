/// What a revocation does, besides the change itself.
public struct RevokeOutcome: Sendable {
  public var change: Change
  /// Grants that had ended before: recorded all the same, with an event of its own kind.
  public var alreadyEnded: [GrantID]
  /// Grants that still permit some of the same uses of the same images.
  public var stillCovering: [GrantID]
  /// The images concerned.
  public var images: [ImageKey]
}

extension ChangeBuilder {
  /// Revokes grants (45 CFR 164.508(b)(5)): binds from recorded, whatever the paper's date.
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
    if revocation.method == .oral, !policy.oralRevocationBinds {
      throw .notAllowed(
        rule: "oral_revocation_binds", description: "by policy a revocation is made in writing")
    }
    return outcome(revocation, targets)
  }

  private func outcome(
    _ revocation: Revocation, _ targets: [(paper: Instrument, grant: Grant)]
  ) -> RevokeOutcome {
    let record = Record.revocation(revocation)
    let reference = RecordReference(kind: .revocation, id: record.id)
    let images = facts.affectedImages(of: targets, at: clock.now)
    var outcome = RevokeOutcome(
      change: Change(), alreadyEnded: [],
      stillCovering: stillCovering(targets, images: Set(images)), images: images)
    for (paper, grant) in targets {
      let version = facts.version(of: grant, in: paper)
      let isEnded = facts.isEnded(grant, in: paper, at: clock.now)
      let kind: EventKind = isEnded ? .endedGrantRevoked : .grantRevoked
      var event = FeedEvent.of(
        kind, grant, version: version, of: paper, record: reference,
        images: facts.affectedImages(of: grant, in: paper, at: clock.now), at: clock.now)
      if isEnded {
        // An ended version can be revoked by more than one paper; each is its own event.
        event.subject += ":" + reference.id.description
        outcome.alreadyEnded.append(grant.id)
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
    _ revoked: [(paper: Instrument, grant: Grant)], images: Set<ImageKey>
  ) -> [GrantID] {
    let ids = Set(revoked.map(\.grant.id))
    let uses = revoked.reduce(into: ClosedSet<Use>()) { $0 = $0.union($1.grant.uses) }
    var covering: [GrantID] = []
    for paper in facts.instruments where !errors.contains(.instrument, paper.id) {
      for grant in paper.grants
      where grant.effect == .permit && !ids.contains(grant.id)
        && !grant.uses.intersection(uses).isEmpty
        && !facts.isEnded(grant, in: paper, at: clock.now)
        && !images.isDisjoint(with: facts.affectedImages(of: grant, in: paper, at: clock.now))
      {
        covering.append(grant.id)
      }
    }
    return covering.sorted()
  }
}
