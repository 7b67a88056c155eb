import ConsentCore

extension Property {
  /// Effect, primary reason and obligations; for a part of the questions `valid_until` too, which
  /// the reference finds by asking itself at every instant.
  static let equalsTheReference = Property(
    name: "decides as the reference does", iterations: 250
  ) { decider, random in
    let register = RegisterGenerator.register(seed: random.next())
    let facts = register.facts
    for _ in 0..<8 {
      let asked = random.question(about: register).arguments(facts)
      let expected = Decider.reference.answer(asked)
      let found = decider.answer(asked)
      if found != expected { return described(asked, expected: expected, found: found) }
    }
    guard random.chance(15) else { return nil }
    let asked = random.question(about: register).arguments(facts)
    let expected = Decider.reference.validUntil(asked)
    let found = decider.validUntil(asked)
    if found == expected { return nil }
    return
      "valid until \(text(found)), expected \(text(expected)); answer \(decider.answer(asked)) to \(asked.request) at \(asked.at.microseconds)"
  }

  private static func described(_ asked: Decider.Arguments, expected: Answer, found: Answer)
    -> String
  {
    "\(found.effect) \(found.primary) \(found.obligations), expected \(expected.effect) "
      + "\(expected.primary) \(expected.obligations), to \(asked.request) at \(asked.at.microseconds)"
  }

  private static func text(_ instant: Instant?) -> String {
    instant.map { String($0.microseconds) } ?? "for ever"
  }
}

extension RandomQuestion {
  func arguments(_ facts: Facts) -> Decider.Arguments { (request, caller, facts, at) }
}
