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

  /// What is taken over from another image's case is what would have been gathered.
  @Test func whatIsAlikeIsDecidedAlike() {
    var alike = 0
    for offset in 0..<UInt64(PropertySettings.current.iterations ?? 150) {
      let seed = PropertySettings.current.seed &+ offset
      var random = SplitMix64(seed: seed)
      let register = RegisterGenerator.register(seed: random.next())
      var facts = register.facts
      // Registers of few images have few that are alike.
      facts.merges = []
      facts.unmerges = []
      facts.determinations = []
      facts.enteredInError.removeAll { $0.target.kind == .image }
      for _ in 0..<24 {
        var (request, caller, _, at) = random.question(about: register).arguments(facts)
        let versions = facts.images.filter { $0.key == request.image }
        guard versions.count == 1, versions[0].sources.isEmpty else { continue }
        var one = facts
        one.images = versions
        let known = ImageCase(request.image, facts: one)
        var image = versions[0]
        image.key = .sopInstance("1.2.999.\(random.one(of: [1, 2, 3]))")
        image.acquiredDay = random.chance(50) ? image.acquiredDay : LocalDay(daysSince1970: 0)
        image.studyUID = random.chance(80) ? image.studyUID : "1.2.999.4"
        guard let like = ImageCase(like: known, of: image) else { continue }
        alike += 1
        request.image = image.key
        one.images = [image]
        let found = decide(request, caller: caller, on: like, position: facts.position, at: at)
        let expected = Decider.reference.answer((request, caller, one, at))
        #expect(Answer(found) == expected, "CONSENTD_TEST_SEED=\(seed): \(request)")
        let plain = decide(request, caller: caller, facts: one, at: at)
        #expect(found == plain, "CONSENTD_TEST_SEED=\(seed): \(request)")
      }
    }
    #expect(alike > 100)
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
