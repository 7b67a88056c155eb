import ConsentCore

/// What a property looks at of an answer.
struct Answer: Hashable {
  var effect: Effect
  var primary: Reason
  var obligations: Set<Obligation>
  var further: [Reason] = []
  var records: [DecidingRecord] = []

  static func == (a: Answer, b: Answer) -> Bool {
    a.effect == b.effect && a.primary == b.primary && a.obligations == b.obligations
  }

  init(
    effect: Effect, primary: Reason, obligations: Set<Obligation>, further: [Reason] = [],
    records: [DecidingRecord] = []
  ) {
    self.effect = effect
    self.primary = primary
    self.obligations = obligations
    self.further = further
    self.records = records
  }

  init(_ decision: Decision) {
    self.init(
      effect: decision.effect, primary: decision.primary,
      obligations: Set(decision.obligations), further: decision.further,
      records: decision.records)
  }

  func hash(into hasher: inout Hasher) { hasher.combine(primary) }
}

/// Something that answers checks: the real function, the reference, or a broken variant that a
/// property has to catch.
struct Decider: Sendable {
  typealias Arguments = (
    request: CheckRequest, caller: CallerLimits, facts: Facts, at: Instant
  )

  var name: String
  var answer: @Sendable (Arguments) -> Answer
  var validUntil: @Sendable (Arguments) -> Instant?
  /// The answer as the caller may see it.
  var shown: @Sendable (Arguments) -> Answer

  /// The function of the product.
  static let real = Decider(
    name: "decide",
    answer: { Answer(decide($0.request, caller: $0.caller, facts: $0.facts, at: $0.at)) },
    validUntil: { decide($0.request, caller: $0.caller, facts: $0.facts, at: $0.at).validUntil },
    shown: {
      Answer(
        decide($0.request, caller: $0.caller, facts: $0.facts, at: $0.at)
          .masked(for: $0.caller, holdsPart2: $0.facts.organizationHoldsPart2))
    })

  static let reference = Decider(
    name: "reference",
    answer: { referenceAnswer($0) },
    validUntil: {
      ReferenceDecider().validUntil($0.request, caller: $0.caller, facts: $0.facts, at: $0.at)
    },
    shown: {
      var answer = referenceAnswer($0)
      answer.primary = ReferenceDecider.shown(answer.primary, to: $0.caller, in: $0.facts)
      return answer
    })

  private static func referenceAnswer(_ asked: Arguments) -> Answer {
    let (effect, primary, obligations) = ReferenceDecider().decide(
      asked.request, caller: asked.caller, facts: asked.facts, at: asked.at)
    return Answer(effect: effect, primary: primary, obligations: obligations)
  }

  /// The reference, asked something else than was asked.
  static func broken(
    named name: String, asking change: @escaping @Sendable (inout Arguments) -> Void
  )
    -> Decider
  {
    @Sendable func changed(_ asked: Arguments) -> Arguments {
      var asked = asked
      change(&asked)
      return asked
    }
    return Decider(
      name: name, answer: { reference.answer(changed($0)) },
      validUntil: { reference.validUntil(changed($0)) },
      shown: { reference.shown(changed($0)) })
  }

  /// The reference, saying something else than it found.
  static func broken(
    named name: String, saying change: @escaping @Sendable (Answer, Arguments) -> Answer
  ) -> Decider {
    Decider(
      name: name, answer: { change(reference.answer($0), $0) },
      validUntil: reference.validUntil, shown: { change(reference.shown($0), $0) })
  }
}
