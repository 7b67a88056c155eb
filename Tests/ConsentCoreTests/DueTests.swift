import ConsentCore
import Testing

@Suite struct DueTests {
  func facts(_ setup: String) throws -> Facts {
    try World(setup, named: DecisionTables.setups).facts
  }

  static let base = "use base; use journal"

  @Test func aGrantEndsAtItsExactInstantHoweverLateOneAsks() throws {
    let facts = try facts(Self.base)
    let end = try instant("2027-01-01T06:00:00Z")
    #expect(facts.dueEnds(at: end.adding(microseconds: -1)).isEmpty)
    for at in [end, try instant("2029-01-01")] {
      let due = facts.dueEnds(at: at)
      #expect(due.map(\.instant) == [end])
      #expect(due[0].change.events.map(\.kind) == [.grantExpired])
      #expect(due[0].change.events[0].occurred == end)
    }
  }

  @Test func aRevokedGrantDoesNotExpire() throws {
    let facts = try facts(Self.base + "; revoke R1 grants=G1 recorded=2026-06-01T00:00:00Z")
    #expect(facts.dueEnds(at: try instant("2028-01-01")).isEmpty)
  }

  @Test func theClockAllowanceDelaysTheEvent() throws {
    let facts = try facts(Self.base + "; policy version=1 allowance=60")
    #expect(facts.dueEnds(at: try instant("2027-01-01T06:00:59.999999Z")).isEmpty)
    #expect(facts.dueEnds(at: try instant("2027-01-01T06:01:00Z")).count == 1)
  }

  @Test func majorityAndNamedEventsEndGrants() throws {
    let facts = try facts(
      "event E1; patient P1; patient P2 majority=2026-09-30T05:00:00Z; image I1 of=P1; paper A1 CONSENT of=P2 by=PARENT:m; line G1 PERMIT of=A1 uses=EDUCATION audiences=OWN_WORKFORCE until=majority; paper A2 CONSENT of=P1; line G2 PERMIT of=A2 uses=EDUCATION audiences=OWN_WORKFORCE until=event:E1; resolve S1 event=E1 occurred=2026-06-30T00:00:00Z recorded=2026-07-06T00:00:00Z"
    )
    #expect(
      facts.dueEnds(at: try instant("2027-01-01")).map(\.instant)
        == [try instant("2026-07-06"), try instant("2026-09-30T05:00:00Z")])
  }

  @Test func activationIsToldOfWhatWasRecordedBefore() throws {
    let late = try facts(Self.base)
    #expect(late.dueActivations(at: try instant("2028-01-01")).isEmpty)
    let ahead = try facts(
      "use base; paper A1 CONSENT of=P1; line G1 PERMIT of=A1 uses=EDUCATION audiences=OWN_WORKFORCE from=2026-05-01"
    )
    let from = try instant("2026-05-01")
    #expect(ahead.dueActivations(at: from.adding(microseconds: -1)).isEmpty)
    #expect(ahead.dueActivations(at: from).map(\.instant) == [from])
  }

  @Test func expiringSoonIsToldAtEachLeadTime() throws {
    let facts = try facts(Self.base)
    let subjects = try [
      "2026-12-01T06:00:00Z", "2026-12-02T06:00:00Z", "2026-12-25T06:00:00Z",
      "2027-01-01T06:00:00Z",
    ]
    .map { at in
      facts.dueExpiringSoon(at: try instant(at)).compactMap { $0.change.events[0].subject.last }
    }
    #expect(subjects == [[], ["0"], ["7"], []])
  }

  @Test func anUnresolvedEventIsOverdueOnce() throws {
    let open = try facts("event E1 expected=2026-06-01")
    #expect(open.overdueEvents(at: try instant("2026-05-31")).isEmpty)
    #expect(open.overdueEvents(at: try instant("2026-06-01")).count == 1)
    let resolved = try facts(
      "event E1 expected=2026-06-01; resolve S1 event=E1 occurred=2026-05-01 recorded=2026-05-02")
    #expect(resolved.overdueEvents(at: try instant("2026-07-01")).isEmpty)
  }

  @Test func theNextDueInstantIsTheFirstAhead() throws {
    let facts = try facts(Self.base)
    #expect(
      facts.nextDue(after: try instant("2026-06-01")) == (try instant("2026-12-02T06:00:00Z")))
    #expect(
      facts.nextDue(after: try instant("2026-12-30")) == (try instant("2027-01-01T06:00:00Z")))
    #expect(facts.nextDue(after: try instant("2027-01-01T06:00:00Z")) == nil)
  }

  @Test(arguments: [
    ("use base; use journal", "ACTIVE"),
    ("use base; use journal; revoke R1 grants=G1 recorded=2026-06-01T00:00:00Z", "REVOKED"),
    ("use base; use journal; error X1 target=INSTRUMENT:A1", "ENTERED_IN_ERROR"),
    ("use base; use journal; false F1 paper=A1 recorded=2026-06-01", "FALSIFIED"),
    ("use base; use journal; evidence V1 paper=A1 recorded=2026-06-01", "SIGNER_NO_AUTHORITY"),
    (
      "use base; paper A1 CONSENT of=P1; line G1 PERMIT of=A1 uses=EDUCATION audiences=OWN_WORKFORCE until=2026-06-01",
      "EXPIRED"
    ),
    (
      "use base; paper A1 CONSENT of=P1; line G1 PERMIT of=A1 uses=EDUCATION audiences=OWN_WORKFORCE from=2026-07-01",
      "NOT_YET_EFFECTIVE"
    ),
    (
      "use base; paper A1 CONSENT of=P1 signature=none; line G1 PERMIT of=A1 uses=EDUCATION audiences=OWN_WORKFORCE",
      "DEFECTIVE"
    ),
    (
      "patient P1 majority=unknown; paper A1 CONSENT of=P1 by=PARENT:m; line G1 PERMIT of=A1 uses=EDUCATION audiences=OWN_WORKFORCE",
      "MAJORITY_REVIEW"
    ),
    (
      "use base; paper A1 RESTRICTION_AGREED of=P1; line G1 DENY of=A1; endrestriction N1 paper=A1 recorded=2026-06-01",
      "RESTRICTION_ENDED"
    ),
  ])
  func aGrantHasOneState(setup: String, state: String) throws {
    let status = try facts(setup).status(of: try id("G1"), at: try instant("2026-06-10"))
    #expect(status?.state.name == state)
  }

  @Test func aPaperTriedTellsWhichDenyStandsInTheWay() throws {
    let paper = try facts("use base; use wide").instruments[0]
    let facts = try facts(
      "use base; paper A6 REFUSAL of=P1 signed=2026-02-01; line G6 DENY of=A6 scope=image:I2 until=none"
    )
    let tried = whatIfRecorded(instrument: paper, facts: facts, at: try instant("2026-06-10"))
    #expect(tried.covered == [try key("I1")])
    #expect(tried.blocked.map(\.image) == [try key("I2")])
    #expect(tried.blocked.map(\.reason) == [.denyMoreSpecific])
    #expect(tried.blocked.flatMap(\.records).map(\.grant) == [try id("G6")])
  }
}
