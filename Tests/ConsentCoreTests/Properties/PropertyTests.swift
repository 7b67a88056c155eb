import ConsentCore
import Testing

/// Every property holds for `decide` and for the reference, and catches its broken variants.
@Suite("Properties of the decision")
struct PropertyTests {
  struct Case: Sendable, CustomTestStringConvertible {
    var property: Property
    var broken: [Decider]
    var testDescription: String { property.name }
  }

  static let cases: [Case] = [
    Case(
      property: .equalsTheReference,
      broken: [
        .ignoresRevocations, .ignoresDenies, .ignoresRestrictions, .ignoresEnteredInError,
        .ignoresMerges, .ignoresUnmerges, .ignoresLineage, .ignoresPart2, .ignoresUnevaluable,
        .closedIntervals, .firstPaperSpeaks, .consentReplacesAuthorization, .validTooLong,
      ]),
    Case(
      property: .externalNeedsAuthorization,
      broken: [.consentReplacesAuthorization, .permitsByDefault]),
    Case(property: .denyNeverOpens, broken: [.deniesCancelOut]),
    Case(property: .orderIsIrrelevant, broken: [.firstPaperSpeaks, .lastVersionInArraySpeaks]),
    Case(property: .revocationDominates, broken: [.ignoresRevocations, .closedIntervals]),
    Case(
      property: .validUntilIsExact, broken: [.validTooLong, .validTooShort, .validForever]),
    Case(property: .replayIsIdentical, broken: [.forgetsNow]),
    Case(property: .emergencyIsForTreatment, broken: [.emergencyOpensAll]),
    Case(property: .channelsClose, broken: [.hasNoChannelGate]),
    Case(property: .part2StaysHidden, broken: [.showsPart2]),
    Case(property: .laterFactsAreUnknown, broken: [.remembersAnswers]),
    Case(property: .unmergeRestores, broken: [.ignoresUnmerges]),
    Case(property: .nothingFlowsUp, broken: [.derivesUpwards]),
  ]

  @Test(arguments: cases.indices)
  func holdsForDecide(index: Int) {
    let property = PropertyTests.cases[index].property
    #expect(property.counterexample(.real, settings: .current) == nil)
  }

  @Test(arguments: cases.indices)
  func holdsForTheReference(index: Int) {
    // A smaller part: the reference shares the properties, not the mistakes, of what it judges.
    var property = PropertyTests.cases[index].property
    property.iterations /= 4
    #expect(property.counterexample(.reference, settings: .current) == nil)
  }

  @Test(arguments: cases.indices)
  func catchesBrokenDeciders(index: Int) {
    let tried = PropertyTests.cases[index]
    for broken in tried.broken {
      #expect(
        tried.property.counterexample(broken, settings: .byDefault) != nil,
        "\(tried.property.name) lets through: \(broken.name)")
    }
  }
}
