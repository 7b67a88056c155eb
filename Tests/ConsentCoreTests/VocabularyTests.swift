import ConsentCore
import Testing

@Suite struct VocabularyTests {
  @Test func wordsAreUpperSnakeCase() {
    #expect(Channel.pacsViewer.name == "PACS_VIEWER")
    #expect(Channel.ehr.name == "EHR")
    #expect(InstrumentKind.part2Consent.name == "PART2_CONSENT")
    #expect(RecipientKind.class.name == "CLASS")
    #expect(EventKind.grantExpired.name == "GrantExpired")
    #expect(Audience(name: "TRAINEES_SUPERVISED") == .traineesSupervised)
    #expect(Use(name: "education") == nil)
  }

  @Test func everyReasonHasASentenceAndItsOwnName() {
    #expect(Set(Reason.allCases.map(\.name)).count == Reason.allCases.count)
    for reason in Reason.allCases {
      #expect(reason.sentence.hasSuffix("."))
      #expect(Reason(name: reason.name) == reason)
      #expect(reason.paragraph.isEmpty == (reason == .accessRestricted))
    }
  }

  @Test func ranksFollowTheDeclaration() {
    #expect(Reason.allCases.map(\.rank) == Array(Reason.allCases.indices))
    #expect(Reason.contractRequired.rank < Reason.roleNotPermitted.rank)
  }

  @Test func atMostSixteenFailingGrantsAreListed() throws {
    var setup = "patient P1; image I1 of=P1"
    for number in 1...20 {
      setup +=
        "; paper A\(number) AUTHORIZATION of=P1; line G\(number) PERMIT of=A\(number) uses=EDUCATION audiences=EXTERNAL recipients=VENUE.j until=2026-04-01"
    }
    let request = CheckRequest(
      image: try key("I1"), use: .education, audience: .external, channel: .presentation,
      actor: Actor(user: identifier("u1"), role: .clinician), recipient: party("VENUE.j"))
    let decision = decide(
      request, caller: CallerLimits(), facts: try World(setup).facts,
      at: try instant("2026-06-10"))
    #expect(decision.records.count == 16)
    #expect(decision.records.first?.grant == (try id("G1")))
  }

  @Test func anOverrideAnswersForAnHourAndAsksForReview() throws {
    let request = CheckRequest(
      image: try key("I1"), use: .diagnosis, audience: .treatingProvider,
      channel: .secureMessaging,
      actor: Actor(user: identifier("u1"), role: .clinician), recipient: party("PERSON.s"),
      emergency: EmergencyAttestation(
        attester: identifier("u1"), reason: "bleeding", attested: try instant("2026-06-10")))
    let decision = decide(
      request, caller: CallerLimits(),
      facts: try World("use base; use agreed", named: DecisionTables.setups).facts,
      at: try instant("2026-06-10"))
    #expect(decision.isEmergencyOverride)
    #expect(decision.validUntil == (try instant("2026-06-10T01:00:00Z")))
    #expect(decision.obligations == [.askReceiverNotToRedisclose, .reviewWithin(hours: 72)])
  }

  @Test func aNoticeGoesWithAPart2DisclosureWhoeverAsksAndItsConsentIsHidden() throws {
    let request = CheckRequest(
      image: try key("I1"), use: .consultation, audience: .treatingProvider,
      channel: .secureMessaging,
      actor: Actor(user: identifier("u1"), role: .clinician, relationship: .referral),
      recipient: party("PERSON.s"))
    let decision = decide(
      request, caller: CallerLimits(),
      facts: try World("use marked; use tpo", named: DecisionTables.setups).facts,
      at: try instant("2026-06-10"))
    #expect(decision.obligations == [.part2Notice])
    #expect(decision.records.map(\.isPart2) == [true])
    let masked = decision.masked(for: CallerLimits(), holdsPart2: true)
    #expect(masked.obligations == [.part2Notice] && masked.records == [])
    #expect(decision.masked(for: CallerLimits(seesPart2: true), holdsPart2: true) == decision)
  }
}
