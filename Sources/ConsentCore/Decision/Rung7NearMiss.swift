// Rungs 7 and 8: nothing permits; what comes nearest says why.

/// A permit line of the question's patient and use that does not permit it.
struct NearMiss {
  /// In the order in which they speak.
  enum Kind: CaseIterable {
    case notValid
    case notCovering
    case neither
  }

  let line: Line
  let invalidity: Reason?
  let gap: Reason?

  var kind: Kind {
    switch (invalidity, gap) {
    case (.some, nil): .notValid
    case (nil, _): .notCovering
    case (.some, .some): .neither
    }
  }
}

extension Moment {
  func nearMiss(_ question: Question, requirement: Requirement) -> Verdict {
    let asked = requirement.strength
    let part2 = part2Condition(question)
    var misses: [NearMiss] = []
    for line in file.image.permits where isCandidate(line, question) {
      misses.append(
        NearMiss(
          line: line, invalidity: invalidity(of: line, question),
          gap: gap(of: line, question, asked: asked)))
    }
    if misses.count > 1 {
      misses = NearMiss.Kind.allCases.flatMap { kind in
        misses.filter { $0.kind == kind }.lastSigned
      }
    }
    var records = misses.prefix(maximumFailingRecords).map { miss -> DecidingRecord in
      let line = miss.line
      let reason =
        miss.invalidity ?? miss.gap
        ?? (part2.isMet || !suffices([Cover(line: line, images: coveredImages(of: line, question))])
          ? .notInDescribedInformation : .part2ConsentRequired)
      return line.record(
        .failed, reason, defects: reason == .authorizationIncomplete ? line.missing : [])
    }
    var reasons = records.map(\.reason)
    if let failure = deidentificationFailure() {
      reasons.append(failure.reason)
      if let record = failure.record, records.count < maximumFailingRecords {
        records.append(record)
      }
    }
    guard let primary = reasons.first else { return .deny(.noAuthorization) }
    return .deny(
      primary, further: reasons.filter { $0 != primary }.distinctByRank, records: records)
  }
}
