import ConsentCore
import Testing

@Suite struct ValidationTests {
  struct Row: Sendable {
    let paper: String
    let line: String
    let defects: [String]
  }

  static let good =
    "PERMIT of=A1 scope=image:I1 uses=EDUCATION audiences=EXTERNAL recipients=VENUE.journal"

  static let rows = [
    Row(paper: "AUTHORIZATION", line: good, defects: []),
    Row(paper: "AUTHORIZATION information=none", line: good, defects: ["INFORMATION_DESCRIPTION"]),
    Row(paper: "AUTHORIZATION signature=none", line: good, defects: ["SIGNATURE"]),
    Row(
      paper: "AUTHORIZATION statements=none", line: good,
      defects: ["RIGHT_TO_REVOKE", "CONDITIONING", "REDISCLOSURE"]),
    Row(
      paper: "AUTHORIZATION",
      line: "PERMIT of=A1 uses=EDUCATION audiences=EXTERNAL", defects: ["RECIPIENT"]),
    Row(
      paper: "AUTHORIZATION",
      line: "PERMIT of=A1 uses=EDUCATION audiences=OWN_WORKFORCE", defects: []),
    Row(paper: "AUTHORIZATION", line: "PERMIT of=A1", defects: ["RECIPIENT", "PURPOSE"]),
    Row(paper: "AUTHORIZATION", line: good + " until=none", defects: ["EXPIRY"]),
    Row(
      paper: "AUTHORIZATION",
      line: "PERMIT of=A1 uses=RESEARCH audiences=EXTERNAL recipients=VENUE.x until=none",
      defects: []),
    Row(
      paper: "AUTHORIZATION",
      line: "PERMIT of=A1 uses=RESEARCH,EDUCATION audiences=EXTERNAL recipients=VENUE.x until=none",
      defects: ["EXPIRY"]),
    Row(
      paper: "AUTHORIZATION by=GUARDIAN:x authority=none", line: good,
      defects: ["REPRESENTATIVE_AUTHORITY"]),
    Row(
      paper: "AUTHORIZATION by=FINANCIAL_POWER_OF_ATTORNEY:x authority=none", line: good,
      defects: ["REPRESENTATIVE_AUTHORITY"]),
    Row(
      paper: "AUTHORIZATION by=FINANCIAL_POWER_OF_ATTORNEY:x", line: good,
      defects: ["SIGNER_AUTHORITY"]),
    Row(
      paper: "AUTHORIZATION by=GUARDIAN:x authority-uses=DIAGNOSIS", line: good,
      defects: ["SIGNER_AUTHORITY"]),
    Row(paper: "AUTHORIZATION compound=1", line: good, defects: ["COMPOUND"]),
    Row(paper: "AUTHORIZATION conditioned=1,2", line: good, defects: ["CONDITIONED"]),
    Row(paper: "AUTHORIZATION compound=2", line: good, defects: []),
    Row(paper: "CONSENT statements=none information=none", line: good, defects: []),
    Row(paper: "CONSENT signature=none", line: good, defects: ["SIGNATURE"]),
    Row(
      paper: "REFUSAL signature=none statements=none information=none",
      line: "DENY of=A1 until=none", defects: []),
    Row(
      paper: "RESTRICTION_REQUEST signature=none statements=none", line: "DENY of=A1", defects: []),
    Row(
      paper: "PART2_CONSENT",
      line: "PERMIT of=A1 uses=DIAGNOSIS audiences=TREATING_PROVIDER", defects: []),
    Row(
      paper: "PART2_CONSENT",
      line: "PERMIT of=A1 uses=EDUCATION audiences=EXTERNAL", defects: ["RECIPIENT"]),
  ]

  @Test(arguments: rows)
  func aPaperHasExactlyTheseDefects(_ row: Row) throws {
    let facts = try World(
      "patient P1; image I1 of=P1; paper A1 \(row.paper) of=P1; line G1 \(row.line)"
    ).facts
    #expect(facts.instruments[0].defects.map(\.element.name) == row.defects)
  }

  @Test func aFormCarriesTheStatements() throws {
    let facts = try World(
      "patient P1; paper A1 AUTHORIZATION of=P1 statements=none; line G1 \(Self.good)"
    )
    .facts
    let form = Form(
      recordID: try id("F1"), reference: .init(id: "photo-release", version: "3"), title: "Release",
      kind: .authorization,
      statements: Statements(rightToRevoke: true, conditioning: true, redisclosure: true))
    #expect(validate(instrument: facts.instruments[0], form: form, policy: Policy()) == [])
  }

  @Test func theOrganizationsListJudgesAConsent() throws {
    let facts = try World(
      "patient P1; paper A1 CONSENT of=P1 statements=none information=none; line G1 \(Self.good)"
    ).facts
    var policy = Policy()
    policy.consentElements = [.informationDescription, .rightToRevoke]
    let defects = validate(instrument: facts.instruments[0], form: nil, policy: policy)
    #expect(defects.map(\.element) == [.informationDescription, .rightToRevoke])
  }

  @Test func partsAreJudgedSeparately() throws {
    let facts = try World(
      "patient P1; paper A1 AUTHORIZATION of=P1 compound=2; line G1 \(Self.good); line G2 part=2 \(Self.good)"
    ).facts
    #expect(facts.instruments[0].defects == [Defect(.compound, part: 2)])
  }

  struct Input: Sendable {
    let paper: String
    let line: String
    let field: String
  }

  static let inputs = [
    Input(
      paper: "signed=2026-06-11 received=2026-06-10T12:00:00Z", line: good,
      field: "instrument.signed"),
    Input(
      paper: "signed=2026-06-10T15:00:00Z received=2026-06-10T14:00:00Z", line: good,
      field: "instrument.signed"),
    Input(paper: "received=2026-06-10T14:00:01Z", line: good, field: "instrument.received"),
    Input(
      paper: "signed=2026-03-05 received=2026-03-04T12:00:00Z", line: good,
      field: "instrument.received"),
    Input(
      paper: "by=GUARDIAN:x authority-from=2026-01-02 authority-until=2026-01-02", line: good,
      field: "instrument.signer.authority_until"),
    Input(
      paper: "", line: good + " from=2026-02-28T23:59:59Z",
      field: "instrument.grants[0].effective_from"),
    Input(
      paper: "", line: good + " from=2026-06-01 until=2026-06-01T00:00:00Z",
      field: "instrument.grants[0].expiry"),
    Input(paper: "", line: good + " until=event:E1", field: "instrument.grants[0].expiry.event"),
    Input(
      paper: "", line: "PERMIT of=A1 scope=study:01.2 uses=EDUCATION",
      field: "instrument.grants[0].scope"),
    Input(paper: "", line: good + " part=0", field: "instrument.grants[0].part"),
  ]

  @Test(arguments: inputs)
  func whatNoPaperCanSayIsRefusedByItsField(_ input: Input) throws {
    let facts = try World(
      "patient P1; paper A1 AUTHORIZATION of=P1 \(input.paper); line G1 \(input.line)"
    ).facts
    let builder = ChangeBuilder(
      facts: Facts(),
      clock: CommandClock(now: try instant("2026-06-10T14:00:00Z"), today: try day("2026-06-10")))
    let paper = facts.instruments[0]
    let found = builder.violations(
      of: paper, signingDayStart: try instant(paper.signedOrReceived.day.description))
    #expect(found.map(\.field) == [input.field])
  }

  @Test func aRefusalHasDenyLinesOnly() throws {
    let facts = try World("patient P1; paper A1 REFUSAL of=P1; line G1 \(Self.good)").facts
    let builder = ChangeBuilder(
      facts: Facts(),
      clock: CommandClock(now: try instant("2026-06-10T14:00:00Z"), today: try day("2026-06-10")))
    #expect(
      builder.violations(of: facts.instruments[0], signingDayStart: nil).map(\.field)
        == ["instrument.grants[0].effect"])
  }
}
