import ConsentCore
import Testing

/// A property says nothing about what the generator never makes.
@Suite("Random registers")
struct GeneratorTests {
  /// Reasons that are never primary: notes, the group's own, and what stands in for others.
  static let neverPrimary: Set<Reason> = [
    .emergencyNotPermitted, .restrictionRequested, .partialScope, .accessRestricted,
  ]

  @Test func reachEveryPrimaryReason() {
    var missing = Set(Reason.allCases).subtracting(GeneratorTests.neverPrimary)
    for seed in 0..<UInt64(3_000) where !missing.isEmpty {
      var random = SplitMix64(seed: PropertySettings.byDefault.seed &+ seed)
      let register = RegisterGenerator.register(seed: random.next())
      let facts = register.facts
      for _ in 0..<4 {
        let asked = random.question(about: register).arguments(facts)
        missing.remove(Decider.reference.answer(asked).primary)
      }
    }
    #expect(missing.isEmpty)
  }

  @Test func areTheSameForTheSameSeed() {
    let a = RegisterGenerator.register(seed: 7)
    let b = RegisterGenerator.register(seed: 7)
    #expect(a.records == b.records)
    #expect(a.unevaluable == b.unevaluable)
  }

  /// "Positions order instants", and no two changes share a position.
  @Test func recordInTheOrderOfTheirPositions() {
    for seed in 0..<UInt64(50) {
      let register = RegisterGenerator.register(seed: seed)
      let stamps =
        (register.records.map(\.stamp) + register.unevaluable.map(\.stamp))
        .sorted { $0.position < $1.position }
      #expect(stamps.map(\.position) == Array(1...register.lastPosition))
      #expect(zip(stamps, stamps.dropFirst()).allSatisfy { $0.recorded <= $1.recorded })
    }
  }
}
