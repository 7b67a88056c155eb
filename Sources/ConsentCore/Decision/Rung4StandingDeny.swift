// Rung 4: standing denies, where the table asks for consent or authorization. A permit defeats a
// deny only if it is at least as specific and signed later, by the one who may; every standing
// deny must be defeated.

/// A refusal, or a revocation that another member of a merged person made.
struct StandingDeny {
  let line: Line
  /// Images of the lineage it reaches.
  let images: [Int]
  let signed: SignedTime
  let signer: Signer
  /// Of a revocation, its own record.
  let revocation: Revocation?

  func record(_ part: DecidingRecord.Part, _ reason: Reason) -> DecidingRecord {
    guard let revocation else { return line.record(part, reason) }
    return DecidingRecord(
      part: part, record: RecordReference(kind: .revocation, id: revocation.id.retyped()),
      grant: line.grant.id, reason: reason)
  }
}

/// What became of the standing denies of a question.
struct DenyOutcome {
  var verdict: Verdict?
  var defeated: [DecidingRecord] = []
  /// The permits that defeated one; the answer names them among its basis.
  var defeaters: Set<GrantID> = []
}

extension Moment {
  func standingDenies(_ question: Question, permits: [Cover]) -> DenyOutcome {
    var outcome = DenyOutcome()
    if file.image.standingDenies.isEmpty, !file.image.wasMerged { return outcome }
    var undefeated: [(reason: Reason, record: DecidingRecord)] = []
    for deny in standingDenies(question) + revocationsOfOthers(question, permits: permits) {
      var reasons: [Reason] = []
      for image in deny.images {
        if let defeater = permits.first(where: { defeats($0, deny, on: image) }) {
          outcome.defeaters.insert(defeater.line.grant.id)
        } else {
          reasons.append(reason(deny, on: image, permits: permits))
        }
      }
      if let reason = reasons.min(by: { $0.rank < $1.rank }) {
        undefeated.append((reason, deny.record(.denies, reason)))
      } else {
        outcome.defeated.append(
          deny.record(.defeated, deny.revocation == nil ? .refused : .authorizationRevoked))
      }
    }
    let reasons = undefeated.map(\.reason).distinctByRank
    if let first = reasons.first {
      outcome.verdict = .deny(
        first, further: Array(reasons.dropFirst()),
        records: (undefeated.map(\.record) + conflicting(first, permits)).inOrder)
    }
    return outcome
  }

  /// A conflict names both sides.
  private func conflicting(_ reason: Reason, _ permits: [Cover]) -> [DecidingRecord] {
    guard reason == .conflictDenyWins else { return [] }
    return permits.map { $0.line.record(.failed, .conflictDenyWins) }
  }

  private func standingDenies(_ question: Question) -> [StandingDeny] {
    guard !file.image.standingDenies.isEmpty else { return [] }
    return file.image.standingDenies
      .filter { isInForce(deny: $0, question) }
      .map {
        StandingDeny(
          line: $0, images: reach(ofDeny: $0), signed: $0.signed, signer: $0.paper.signer,
          revocation: nil)
      }
      .sorted { $0.line.grant.id < $1.line.grant.id }
  }

  /// For a use with a basis of its own a refusal is a request for a restriction: noted, never a
  /// denial (45 CFR 164.522(a)(1)(ii)).
  func requestedRestrictions(_ question: Question, requirement: Requirement) -> [DecidingRecord] {
    guard requirement.isTreatmentBasis || requirement.isOperationsBasis else { return [] }
    return standingDenies(question).map { $0.record(.noted, .restrictionRequested) }
  }

  // MARK: Permit against deny

  private func defeats(_ permit: Cover, _ deny: StandingDeny, on image: Int) -> Bool {
    isAsSpecific(permit, as: deny, on: image) && permit.line.signed.isLater(than: deny.signed)
      && mayDefeat(permit, deny)
  }

  /// Image before series before study before patient; and a grant naming the derivative itself
  /// before one naming what it was made from.
  private func isAsSpecific(_ permit: Cover, as deny: StandingDeny, on image: Int) -> Bool {
    guard let lineage = file.lineage else { return false }
    let near = permit.images.filter { lineage.related($0, image) }
    guard !near.isEmpty else { return false }
    if permit.line.specificity != deny.line.specificity || deny.line.specificity < 3 {
      return permit.line.specificity >= deny.line.specificity
    }
    return near.contains { $0 == image || lineage.isSource(image, of: $0) }
  }

  /// An individual's deny yields to that individual only, a representative's to the same
  /// representative too.
  private func mayDefeat(_ permit: Cover, _ deny: StandingDeny) -> Bool {
    // A revocation yields to any later signed permit.
    if deny.revocation != nil { return true }
    let permitting = holders(of: permit.line.paper)
    let denying = holders(of: deny.line.paper)
    guard permitting.allSatisfy({ a in denying.allSatisfy { persons.areSame(a, $0) } }) else {
      return false
    }
    let signer = permit.line.paper.signer
    if signer.capacity.isIndividual { return true }
    guard !deny.signer.capacity.isIndividual, let identity = signer.identity else { return false }
    return identity == deny.signer.identity
  }

  /// Why an undefeated deny denies.
  private func reason(_ deny: StandingDeny, on image: Int, permits: [Cover]) -> Reason {
    if deny.revocation != nil { return .authorizationRevoked }
    guard let lineage = file.lineage,
      permits.contains(where: { $0.images.contains { lineage.related($0, image) } })
    else { return .refused }
    let specific = permits.filter { isAsSpecific($0, as: deny, on: image) }
    guard !specific.isEmpty else { return .denyMoreSpecific }
    let sameTime = specific.contains {
      !$0.line.signed.isLater(than: deny.signed) && !deny.signed.isLater(than: $0.line.signed)
    }
    return sameTime ? .conflictDenyWins : .refused
  }
}

extension [Reason] {
  /// Each once, in order of precedence.
  var distinctByRank: [Reason] {
    guard count > 1 else { return self }
    return Array(Set(self)).sorted { $0.rank < $1.rank }
  }
}
