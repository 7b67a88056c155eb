// Rungs 7 and 8: nothing permits; what comes nearest says why.

extension Moment {
  func nearMiss(_ question: Question, requirement: Requirement) -> Verdict {
    let asked = requirement.strength
    let part2 = part2Condition(question)
    var notValid: [Line] = []
    var notCovering: [Line] = []
    var neither: [Line] = []
    for line in file.lines where isCandidate(line, question) {
      let isValid = invalidity(of: line, question) == nil
      let covers = gap(of: line, question, asked: asked) == nil
      switch (isValid, covers) {
      case (false, true): notValid.append(line)
      case (true, _): notCovering.append(line)
      case (false, false): neither.append(line)
      }
    }
    let ordered = notValid.lastSigned + notCovering.lastSigned + neither.lastSigned
    var records = ordered.prefix(maximumFailingRecords).map { line -> DecidingRecord in
      let reason =
        invalidity(of: line, question) ?? gap(of: line, question, asked: asked)
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
