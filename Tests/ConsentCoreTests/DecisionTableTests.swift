import ConsentCore
import Testing

@Suite struct DecisionTableTests {
  @Test(arguments: DecisionTables.all)
  func theTablesAreMet(_ row: DecisionCase) throws {
    let facts = try DecisionTables.world(row).facts
    let decision = try row.decision(facts)
    #expect(
      row.isMet(by: decision),
      "\(row.expected) expected, \(decision.effect.name) \(decision.primary.name) \(decision.further.map(\.name)) decided"
    )
  }

  @Test func everyReasonOccursInATable() {
    let occurring = Set(DecisionTables.all.flatMap { $0.expected.dropFirst() })
    // A group's answer, not an image's; GroupTests has it.
    let missing = Reason.allCases.map(\.name).filter {
      !occurring.contains($0) && $0 != Reason.partialScope.name
    }
    #expect(missing == [])
  }

  @Test func everyScenarioOccursInATable() {
    let occurring = Set(DecisionTables.all.map(\.scenario))
    let scenarios =
      (1...13).map(String.init) + [
        "error", "late", "none", "merge", "wrong-patient", "before-1970", "leap-day",
        "clock-change",
      ]
    #expect(scenarios.filter { !occurring.contains($0) } == [])
  }

  @Test func casesHaveNamesOfTheirOwn() {
    var seen = Set<String>()
    for row in DecisionTables.all {
      #expect(seen.insert(row.testDescription).inserted, "\(row.testDescription)")
    }
  }

  @Test(arguments: DecisionTables.all)
  func theOrderOfFactsNeverShows(_ row: DecisionCase) throws {
    let facts = try DecisionTables.world(row).facts
    #expect(try row.decision(facts) == row.decision(facts.reversed))
  }

  @Test(arguments: DecisionTables.all)
  func theAnswerStandsUntilItsEnd(_ row: DecisionCase) throws {
    let facts = try DecisionTables.world(row).facts
    let decision = try row.decision(facts)
    guard let until = decision.validUntil else { return }
    #expect(until > decision.at)
    func at(_ instant: Instant) throws -> Decision {
      decide(try row.request, caller: try row.caller, facts: facts, at: instant)
        .masked(for: try row.caller, holdsPart2: facts.organizationHoldsPart2)
    }
    let last = try at(until.adding(microseconds: -1))
    #expect(last.effect == decision.effect && last.primary == decision.primary)
    guard !decision.isEmergencyOverride else { return }
    let next = try at(until)
    #expect(
      next.effect != decision.effect || next.primary != decision.primary
        || next.obligations != decision.obligations)
  }
}

extension Facts {
  /// The same facts the other way round.
  var reversed: Facts {
    var facts = self
    facts.policies.reverse()
    facts.patients.reverse()
    facts.merges.reverse()
    facts.unmerges.reverse()
    facts.images.reverse()
    facts.instruments.reverse()
    for index in facts.instruments.indices { facts.instruments[index].grants.reverse() }
    facts.revocations.reverse()
    facts.enteredInError.reverse()
    facts.determinations.reverse()
    facts.determinationWithdrawals.reverse()
    facts.unevaluable.reverse()
    return facts
  }
}
