// Merged patients: what any member restricts, restricts all members' images; what a member permits
// for "all my images" it permits for its own registration's.

extension Moment {
  /// Rungs 2 to 8. If only another member's fact makes it a DENY, that is what the answer says
  /// first.
  func ladder() -> Verdict {
    if let fault = requestFault() { return fault }
    guard let question = file.question else { return .deny(.purposeRequired) }
    let verdict = rungs(question)
    guard verdict.effect == .deny, mayBeMerged else { return verdict }
    var alone = self
    alone.ownMemberOnly = true
    guard alone.rungs(question).effect == .permit else { return verdict }
    return verdict.superseded(by: .mergeMostRestrictive, effect: .deny)
  }

  private var mayBeMerged: Bool { file.image.wasMerged }

  /// A revoked patient-wide grant of another member acts as a deny of that member, signed when the
  /// revocation was, until a later signed permit. It only ever takes away: without a permit the
  /// later rungs say more precisely why.
  func revocationsOfOthers(_ question: Question, permits: [Cover]) -> [StandingDeny] {
    guard mayBeMerged, !ownMemberOnly, !permits.isEmpty else { return [] }
    return file.lines
      .compactMap { line -> StandingDeny? in
        guard line.isPermit, line.grant.scope == .patient, line.paper.kind.strength > .none,
          line.uses.contains(question.use), line.audiences.contains(question.audience),
          isRevoked(line), let revocation = revocation(of: line)
        else { return nil }
        let papers = holders(of: line.paper)
        let images = line.held.filter { index in
          holders[index].contains { image in
            papers.contains { $0 != image && persons.areSame($0, image) }
          } && papers != holders[index]
        }
        guard !images.isEmpty else { return nil }
        return StandingDeny(
          line: line, images: images, signed: revocation.signed, signer: revocation.signer,
          revocation: revocation)
      }
      .sorted { $0.line.grant.id < $1.line.grant.id }
  }
}
