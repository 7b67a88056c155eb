// 42 CFR Part 2: a further condition on rungs 5 and 6 for an image that is marked, or made from a
// marked one.

enum Part2Condition {
  case notMarked
  case consented([Cover])
  /// The program unit's own personnel, in their treatment duties (42 CFR 2.12(c)(3)).
  case withinUnit
  /// What fails of the consents there are.
  case missing([DecidingRecord])

  var isMet: Bool {
    if case .missing = self { return false }
    return true
  }
}

extension Moment {
  var isPart2: Bool { file.image.isPart2 }

  func part2Condition(_ question: Question) -> Part2Condition {
    guard isPart2, let lineage = file.lineage else { return .notMarked }
    let marked = lineage.indices.filter { lineage.images[$0].part2 != nil }
    let consents = file.lines.filter {
      $0.isPermit && $0.paper.kind == .part2Consent && $0.uses.contains(question.use)
    }
    let covers = consents.compactMap { line -> Cover? in
      guard part2Gap(of: line, question) == nil, invalidity(of: line, question) == nil else {
        return nil
      }
      return Cover(line: line, images: coveredImages(of: line, question))
    }
    let isConsented = marked.allSatisfy { image in
      covers.contains {
        $0.images.contains { lineage.related($0, image) } && speaks($0, for: image)
      }
    }
    if isConsented { return .consented(covers) }
    if isWithinUnit(question, marked: marked.map { lineage.images[$0] }) { return .withinUnit }
    return .missing(
      consents
        .compactMap { line in
          (invalidity(of: line, question) ?? part2Gap(of: line, question))
            .map { line.record(.failed, $0, defects: line.missing) }
        }
        .inOrder.prefix(maximumFailingRecords).map { $0 })
  }

  /// A consent for treatment and operations need name no recipient (42 CFR 2.31(a)(4), 2.33); it
  /// never serves an external audience, for which the recipient must be named.
  private func part2Gap(of line: Line, _ question: Question) -> Reason? {
    if !line.audiences.contains(question.audience) { return .audienceNotNamed }
    let named = line.grant.recipients
    if named.isEmpty
      ? question.audience == .external
      : !question.receiver.isNamed(in: line)
    {
      return .recipientNotNamed
    }
    if !namesDiscloser(line, question) { return .discloserNotNamed }
    if let limit = line.grant.channels, !limit.contains(question.channel) {
      return .channelNotInGrant
    }
    return coveredImages(of: line, question).isEmpty ? .notInDescribedInformation : nil
  }

  private func isWithinUnit(_ question: Question, marked: [ImageRecord]) -> Bool {
    question.use.isTreatment && !question.isDisclosure
      && policy.treatmentRoles.contains(question.actor.role)
      && question.actor.relationship != .noneStated
      && marked.allSatisfy { image in
        image.part2.map { question.actor.memberOf.contains($0.programUnit) } ?? true
      }
  }

  /// 42 CFR 2.32: the notice goes with each disclosure made under a consent.
  func part2Obligations(_ condition: Part2Condition, _ question: Question) -> [Obligation] {
    guard case .consented = condition, question.isDisclosure, question.audience != .individual
    else { return [] }
    return [.part2Notice]
  }

  func part2Records(_ condition: Part2Condition) -> [DecidingRecord] {
    guard case .consented(let covers) = condition, let spoken = covers.lastSigned.first else {
      return []
    }
    return [spoken.line.record(.basis, .consentValid)]
  }
}
