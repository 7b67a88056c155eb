import ConsentCore

/// The answer depends on the facts and the instant, and on nothing else.
extension Property {
  static let orderIsIrrelevant = Property(
    name: "the order of facts does not matter", iterations: 60
  ) { decider, random in
    let register = RegisterGenerator.register(seed: random.next())
    let facts = register.facts
    let shuffled = facts.shuffled(using: &random)
    for _ in 0..<6 {
      let question = random.question(about: register)
      let a = decider.answer(question.arguments(facts))
      let b = decider.answer(question.arguments(shuffled))
      if a != b || a.further != b.further || Set(a.records) != Set(b.records) {
        return "\(a) or \(b), to \(question.request)"
      }
    }
    return nil
  }

  static let replayIsIdentical = Property(
    name: "the same question gets the same answer", iterations: 40
  ) { decider, random in
    let register = RegisterGenerator.register(seed: random.next())
    let facts = register.facts
    let questions = (0..<6).map { _ in random.question(about: register) }
    let first = questions.map { decider.answer($0.arguments(facts)) }
    let second = questions.reversed().map { decider.answer($0.arguments(facts)) }
    for (a, b) in zip(first, second.reversed())
    where a != b || a.further != b.further || a.records != b.records {
      return "\(a), then \(b)"
    }
    return nil
  }

  static let laterFactsAreUnknown = Property(
    name: "facts later than a position play no part at it", iterations: 60
  ) { decider, random in
    let register = RegisterGenerator.register(seed: random.next())
    let position = UInt64(random.number(1...Int(register.lastPosition)))
    var earlier = register
    earlier.records.removeAll { $0.stamp.position > position }
    earlier.unevaluable.removeAll { $0.stamp.position > position }
    for _ in 0..<6 {
      let question = random.question(about: register)
      _ = decider.answer(question.arguments(register.facts))
      let then = decider.answer(question.arguments(register.facts(upTo: position)))
      let expected = Decider.reference.answer(question.arguments(earlier.facts))
      if then != expected { return "\(then), not \(expected), to \(question.request)" }
    }
    return nil
  }

  static let unmergeRestores = Property(
    name: "an unmerge restores the exact earlier answers", iterations: 60
  ) { decider, random in
    var generator = RegisterGenerator(seed: random.next())
    let register = generator.makeRegister()
    guard generator.patients.count > 1 else { return nil }
    let merge = PatientMerge(
      id: generator.id(), survivor: generator.patients[0], merged: generator.patients[1],
      stamp: generator.stamp())
    generator.append(.merge(merge))
    generator.append(
      .unmerge(
        PatientUnmerge(
          id: generator.id(), merge: merge.id, assignments: [], stamp: generator.stamp())))
    for _ in 0..<6 {
      var question = random.question(about: register)
      question.at = max(question.at, generator.recorded)
      let before = decider.answer(question.arguments(register.facts))
      let after = decider.answer(question.arguments(generator.register.facts))
      if before != after { return "\(after), not \(before), to \(question.request)" }
    }
    return nil
  }

  static let nothingFlowsUp = Property(
    name: "what is made from an image does not change its answers", iterations: 60
  ) { decider, random in
    var generator = RegisterGenerator(seed: random.next())
    let register = generator.makeRegister()
    for _ in 0..<6 {
      let question = random.question(about: register)
      guard let source = generator.images.first(where: { $0.key == question.request.image }) else {
        continue
      }
      var facts = register.facts
      let holdsPart2 = facts.organizationHoldsPart2
      var derivative = source
      derivative.key = .sopInstance("1.2.777")
      derivative.kind = .derivative
      derivative.sources = [source.key]
      derivative.studyUID = nil
      derivative.seriesUID = nil
      derivative.part2 = Part2Mark(programUnit: SmallWorld.unit)
      derivative.recordID = generator.id()
      facts.insert(.image(derivative))
      facts.organizationHoldsPart2 = holdsPart2
      for kind in [InstrumentKind.refusal, .authorization] {
        var paper = generator.instrument(kind: kind)
        for index in paper.grants.indices { paper.grants[index].scope = .image(derivative.key) }
        facts.insert(.instrument(paper))
      }
      let before = decider.answer(question.arguments(register.facts))
      let after = decider.answer(question.arguments(facts))
      if before != after { return "\(after), not \(before), to \(question.request)" }
    }
    return nil
  }
}

extension Facts {
  func shuffled(using random: inout SplitMix64) -> Facts {
    var facts = self
    facts.policies.shuffle(using: &random)
    facts.patients.shuffle(using: &random)
    facts.merges.shuffle(using: &random)
    facts.unmerges.shuffle(using: &random)
    facts.images.shuffle(using: &random)
    facts.instruments.shuffle(using: &random)
    facts.revocations.shuffle(using: &random)
    facts.enteredInError.shuffle(using: &random)
    facts.falseInformation.shuffle(using: &random)
    facts.authorityEvidence.shuffle(using: &random)
    facts.restrictionEnds.shuffle(using: &random)
    facts.expiryEvents.shuffle(using: &random)
    facts.expiryEventResolutions.shuffle(using: &random)
    facts.determinations.shuffle(using: &random)
    facts.determinationWithdrawals.shuffle(using: &random)
    facts.unevaluable.shuffle(using: &random)
    return facts
  }
}
