// What a permit line covers of a question, whether or not it is valid.

/// A permit line with the images of the lineage it speaks for.
struct Cover {
  let line: Line
  let images: [Int]
}

extension Moment {
  /// Lines that are valid now, at least this strong, and cover the question.
  func validCovers(_ question: Question, atLeast strength: Strength) -> [Cover] {
    file.image.permits.compactMap { line in
      guard line.strength >= strength, isCandidate(line, question),
        gap(of: line, question, asked: strength) == nil, invalidity(of: line, question) == nil
      else { return nil }
      return Cover(line: line, images: coveredImages(of: line, question))
    }
  }

  /// Matches patient and use, and its scope holds an image if "present only" is ignored.
  func isCandidate(_ line: Line, _ question: Question) -> Bool {
    line.isPermit && line.strength > .none && line.uses.contains(question.use)
      && ((persons.areAllApart && line.isOfAllHeld)
        || line.held.contains { belongs(line, to: $0) })
  }

  /// Why the line does not cover the question; the first code.
  func gap(of line: Line, _ question: Question, asked: Strength) -> Reason? {
    if line.strength < asked { return .consentNotSufficient }
    if !line.audiences.contains(question.audience) { return .audienceNotNamed }
    if !namesReceiver(line, question) { return .recipientNotNamed }
    if !namesDiscloser(line, question) { return .discloserNotNamed }
    if let limit = line.grant.channels, !limit.contains(question.channel) {
      return .channelNotInGrant
    }
    if !line.described.contains(where: { isCovered($0, by: line, question) }) {
      return .notInDescribedInformation
    }
    return nil
  }

  /// Own workforce and trainees need not be named; whoever else receives must be. Names, where there
  /// are any, limit every audience of the line.
  private func namesReceiver(_ line: Line, _ question: Question) -> Bool {
    line.recipients.isEmpty
      ? !question.isDisclosure : question.receiver.isNamed(in: line)
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
    if line.described.count == 1 {
      return isCovered(line.described[0], by: line, question) ? line.described : []
    }
    return line.described.filter { isCovered($0, by: line, question) }
  }

  private func isCovered(_ index: Int, by line: Line, _ question: Question) -> Bool {
    belongs(line, to: index) && (index == 0 || !line.grant.withoutDerivatives)
      && !isExcluded(index, from: line, question)
  }

  /// A deny line inside the same authorization takes out of its permits what it holds.
  private func isExcluded(_ index: Int, from line: Line, _ question: Question) -> Bool {
    guard !file.image.exclusions.isEmpty, let lineage = file.lineage else { return false }
    return file.image.exclusions.contains { exclusion in
      exclusion.paper.id == line.paper.id
        && isInForce(deny: exclusion, question)
        && exclusion.described.contains { lineage.related($0, index) }
    }
  }

  /// Together the covers permit the image asked about: for it, and for everything it was made from,
  /// there is a permit of its own person, on itself, on what it was made from or on what was made
  /// of it. So with several sources each must permit, and a source of another patient needs that
  /// patient's.
  func suffices(_ covers: [Cover]) -> Bool {
    guard let lineage = file.lineage, !covers.isEmpty else { return false }
    if lineage.images.count == 1 { return true }
    return lineage.indices.allSatisfy { image in
      covers.contains { cover in
        speaks(cover, for: image) && cover.images.contains { lineage.related($0, image) }
      }
    }
  }

  /// The paper is of the image's own person.
  func speaks(_ cover: Cover, for image: Int) -> Bool {
    let papers = holders(of: cover.line.paper)
    return papers.count == 1 && holders[image].count == 1
      && persons.areSame(papers[0], holders[image][0])
  }
}
