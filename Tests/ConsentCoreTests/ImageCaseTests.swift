import ConsentCore
import Testing

/// What is gathered of an image once answers every question about it as the reference does.
@Suite struct ImageCaseTests {
  @Test func oneCaseAnswersEveryQuestionAtEveryInstant() {
    for offset in 0..<UInt64(PropertySettings.current.iterations ?? 150) {
      let seed = PropertySettings.current.seed &+ offset
      var random = SplitMix64(seed: seed)
      let register = RegisterGenerator.register(seed: random.next())
      let facts = register.facts
      var cases: [ImageKey: ImageCase] = [:]
      for _ in 0..<24 {
        let (request, caller, _, at) = random.question(about: register).arguments(facts)
        let known = cases[request.image] ?? ImageCase(request.image, facts: facts)
        cases[request.image] = known
        let found = decide(request, caller: caller, on: known, position: facts.position, at: at)
        let expected = Decider.reference.answer((request, caller, facts, at))
        #expect(Answer(found) == expected, "CONSENTD_TEST_SEED=\(seed): \(request)")
        let plain = decide(request, caller: caller, facts: facts, at: at)
        #expect(found == plain, "CONSENTD_TEST_SEED=\(seed): \(request)")
      }
    }
  }

  /// Facts of another image permit nothing, whatever they say.
  @Test func anotherImagesFactsAnswerUnknown() {
    var permitted = 0
    for offset in 0..<UInt64(40) {
      var random = SplitMix64(seed: PropertySettings.current.seed &+ offset)
      let register = RegisterGenerator.register(seed: random.next())
      let facts = register.facts
      for _ in 0..<24 {
        var (request, caller, _, at) = random.question(about: register).arguments(facts)
        request.emergency = nil
        let known = ImageCase(request.image, facts: facts)
        let own = decide(request, caller: caller, on: known, position: 7, at: at)
        guard own.effect == .permit else { continue }
        permitted += 1
        #expect(own.position == 7)
        request.image = .sopInstance("1.2.999.1")
        request.patient = nil
        let other = decide(request, caller: caller, on: known, position: 7, at: at)
        #expect(other.effect == .deny && other.primary == .imageUnknown)
      }
    }
    #expect(permitted > 20)
  }
}
