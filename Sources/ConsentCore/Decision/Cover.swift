// What a permit line covers of a question, whether or not it is valid.

/// A permit line with the images of the lineage it speaks for.
struct Cover {
  let line: Line
  let images: [Int]
}

extension Moment {
  /// Lines that are valid now, at least this strong, and cover the question.
  func validCovers(_ question: Question, atLeast strength: Strength) -> [Cover] {
    file.lines.compactMap { line in
      guard isCandidate(line, question), line.paper.kind.strength >= strength,
        gap(of: line, question, asked: strength) == nil, invalidity(of: line, question) == nil
      else { return nil }
      return Cover(line: line, images: coveredImages(of: line, question))
    }
  }

  /// Matches patient and use, and its scope holds an image if "present only" is ignored.
  func isCandidate(_ line: Line, _ question: Question) -> Bool {
    line.isPermit && line.paper.kind.strength > .none && line.uses.contains(question.use)
      && line.held.contains { belongs(line, to: $0) }
  }

  /// Why the line does not cover the question; the first code.
  func gap(of line: Line, _ question: Question, asked: Strength) -> Reason? {
    if line.paper.kind.strength < asked { return .consentNotSufficient }
    if !line.audiences.contains(question.audience) { return .audienceNotNamed }
    if !namesReceiver(line, question) { return .recipientNotNamed }
    if !namesDiscloser(line, question) { return .discloserNotNamed }
    if let limit = line.grant.channels, !limit.contains(question.channel) {
      return .channelNotInGrant
    }
    if coveredImages(of: line, question).isEmpty { return .notInDescribedInformation }
    return nil
  }

  /// Own workforce and trainees need not be named; whoever else receives must be. Where a line has
  /// both, the names are for the others.
  private func namesReceiver(_ line: Line, _ question: Question) -> Bool {
    let named = line.grant.recipients
    if !question.isDisclosure,
      named.isEmpty || line.audiences.elements.contains(where: \.needsRecipient)
    {
      return true
    }
    return named.contains(where: question.receiver.isNamed)
  }

  /// Empty means the organization itself.
  func namesDiscloser(_ line: Line, _ question: Question) -> Bool {
    let named = line.grant.disclosers
    guard !named.isEmpty else { return true }
    return named.contains { party in
      guard let identifier = party.identifier else { return false }
      return policy.organizationIdentifiers.contains(identifier)
        || question.actor.user == identifier || question.actor.memberOf.contains(identifier)
    }
  }

  /// Images of the lineage the line permits: described on the paper, not excluded on it, and
  /// flowing down to the image asked about.
  func coveredImages(of line: Line, _ question: Question) -> [Int] {
    line.described.filter { index in
      belongs(line, to: index) && (index == 0 || !line.grant.withoutDerivatives)
        && !isExcluded(index, from: line, question)
    }
  }

  /// A deny line inside the same authorization takes out what it holds, unless the permit line is
  /// the more specific of the two.
  private func isExcluded(_ index: Int, from line: Line, _ question: Question) -> Bool {
    guard let lineage = file.lineage, line.paper.grants.count > 1 else { return false }
    return file.lines.contains { exclusion in
      exclusion.isExclusion && exclusion.paper.id == line.paper.id
        && exclusion.specificity >= line.specificity
        && isInForce(deny: exclusion, question)
        && exclusion.described.contains { lineage.related($0, index) }
    }
  }

  /// Together the covers permit the image asked about: every original behind it is permitted by
  /// its own person, itself or as something made from it, on every way down.
  func suffices(_ covers: [Cover]) -> Bool {
    guard let lineage = file.lineage, !covers.isEmpty else { return false }
    if lineage.images.count == 1 { return true }
    var direct = [Set<PatientID>](repeating: [], count: lineage.images.count)
    for cover in covers {
      let person = persons.person(holders(of: cover.line.paper)[0])
      for image in cover.images { direct[image].insert(person) }
    }
    // permitted[x]: the persons whose permit stands on every way from x down to the image asked
    // about. A fixed point from above, so a cycle in stored data changes nothing.
    let everybody = direct.reduce(Set()) { $0.union($1) }
    var permitted = [Set<PatientID>](repeating: everybody, count: lineage.images.count)
    permitted[0] = direct[0]
    var changed = true
    while changed {
      changed = false
      for made in lineage.indices {
        for source in lineage.sources[made] where source != 0 {
          let narrowed = permitted[source].intersection(permitted[made].union(direct[source]))
          if narrowed.count < permitted[source].count {
            permitted[source] = narrowed
            changed = true
          }
        }
      }
    }
    let originals = lineage.originals(behind: 0)
    let isPermitted: (Int) -> Bool = { index in
      holders[index].count == 1
        && permitted[index].contains(persons.person(holders[index][0]))
    }
    let ownPerson = persons.person(holders[0][0])
    let sourcesSpeakForIt = originals.contains { persons.person(holders[$0][0]) == ownPerson }
    return originals.allSatisfy(isPermitted) && (sourcesSpeakForIt || isPermitted(0))
  }
}
