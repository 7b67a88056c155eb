import ConsentCore
import Testing

@Suite struct GroupTests {
  static let question = CheckRequest(
    image: .sopInstance("0"), use: .education, audience: .external, channel: .presentation,
    actor: Actor(user: identifier("u1"), role: .clinician, relationship: .careTeam),
    recipient: party("VENUE.journal"))

  func decided(
    _ names: [String], expected: Int? = nil, setup: String = "use base; use journal"
  ) throws -> GroupDecision {
    decideGroup(
      GroupRequest(
        question: GroupTests.question, images: try names.map(key), expectedCount: expected),
      caller: CallerLimits(), facts: try World(setup, named: DecisionTables.setups).facts,
      at: try instant("2026-06-10T14:00:00Z"))
  }

  @Test func oneImageNotItsSiblingIsAPartialScopeListingTheSibling() throws {
    let group = try decided(["I1", "I2"])
    #expect(group.effect == .deny)
    #expect(group.primary == .partialScope)
    #expect(group.denied.map(\.image) == [try key("I2")])
    #expect(group.denied.first?.decision.primary == .noAuthorization)
  }

  @Test func aWholePermittedGroupIsPermitted() throws {
    let group = try decided(["I1", "I2"], setup: "use base; use study")
    #expect(group.effect == .permit)
    #expect(group.primary == .authorizationValid)
    #expect(group.differing.isEmpty)
    #expect(group.validUntil == group.members[0].decision.validUntil)
  }

  @Test func aMissingMemberMakesAPartialScope() throws {
    let group = try decided(["I1"], expected: 2)
    #expect(group.effect == .deny)
    #expect(group.primary == .partialScope)
    #expect(group.missingCount == 1)
  }

  @Test func anUnregisteredMemberMakesAPartialScope() throws {
    let group = try decided(["I1", "I99"])
    #expect(group.primary == .partialScope)
    #expect(group.denied.first?.decision.primary == .imageUnknown)
  }

  @Test func anEmptyGroupIsUnknown() throws {
    let group = try decided([])
    #expect(group.effect == .deny)
    #expect(group.primary == .imageUnknown)
  }

  @Test func anImageNamedTwiceCountsOnce() throws {
    let group = try decided(["I1", "I1"], expected: 1)
    #expect(group.effect == .permit)
    #expect(group.members.count == 1)
  }

  @Test func aGroupOfDeniedImagesHasTheirReason() throws {
    let group = try decided(["I1", "I2"], setup: "use base; use refusal")
    #expect(group.primary == .refused)
    #expect(group.differing.isEmpty)
  }
}
