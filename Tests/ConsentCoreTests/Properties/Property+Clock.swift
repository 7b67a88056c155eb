import ConsentCore

extension Property {
  /// "The first instant after `at`, exclusive, at which the same request on the same recorded facts
  /// and policy would get another effect, primary reason or obligation by the clock alone."
  static let validUntilIsExact = Property(
    name: "the answer holds until valid_until and no longer", iterations: 25
  ) { decider, random in
    let register = RegisterGenerator.register(seed: random.next())
    let facts = register.facts
    for _ in 0..<2 {
      let question = random.question(about: register)
      var asked = question.arguments(facts)
      let now = decider.answer(asked)
      let end = decider.validUntil(asked)
      if let end, end <= question.at { return "it ends before it begins, to \(question.request)" }
      for instant in ReferenceDecider().instantsToTry(facts, after: question.at) {
        asked.at = instant
        if let end, instant >= end { break }
        if decider.answer(asked) != now {
          return "\(decider.answer(asked)) already at \(instant), to \(question.request)"
        }
      }
      guard let end else { continue }
      asked.at = end
      // An override ends after an hour though a new one would be given again.
      let isHour = end == question.at.adding(microseconds: 60 * .microsecondsPerMinute)
      if decider.answer(asked) == now, !(isHour && question.request.emergency != nil) {
        return "\(now) still at \(end), to \(question.request)"
      }
    }
    return nil
  }
}
