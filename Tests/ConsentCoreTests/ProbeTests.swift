@testable import ConsentCore
import Testing

/// Coverage and checks never disagree: covered if and only if some Check would PERMIT.
@Suite struct ProbeTests {
  @Test(arguments: DecisionTables.all)
  func coveredMeansThatSomeCheckPermits(_ row: DecisionCase) throws {
    let facts = try DecisionTables.world(row).facts
    let at = try instant(row.at)
    let image = try key(row.cells[0])
    let own = (Use(name: row.cells[1]) ?? .education, Audience(name: row.cells[2]) ?? .external)
    for (use, audience) in row.scenario == "-" ? [own] : [own, (.education, .traineesSupervised)] {
      let coverage = probe(image: image, use: use, audience: audience, facts: facts, at: at)
      let found = Enumeration(facts: facts, image: image, use: use, audience: audience)
        .permit(at: at)
      #expect(
        coverage.coverageClass.isCovered == (found != nil),
        "\(use.name) \(audience.name): \(coverage.coverageClass.name), \(found.debugDescription)")
    }
  }

  @Test(arguments: DecisionTables.all)
  func coverageLastsUntilItsEnd(_ row: DecisionCase) throws {
    let facts = try DecisionTables.world(row).facts
    let image = try key(row.cells[0])
    let at = try instant(row.at)
    let coverage = probe(image: image, use: .education, audience: .external, facts: facts, at: at)
    guard let end = coverage.expiresAt else { return }
    func covered(_ at: Instant) -> Bool {
      probe(image: image, use: .education, audience: .external, facts: facts, at: at)
        .coverageClass.isCovered
    }
    #expect(covered(end.adding(microseconds: -1)) && !covered(end))
  }

  struct Row: Sendable {
    let setup: String
    let audience: Audience
    let expected: String
    var use = Use.education
    var image = "I1"
  }

  static let classes = [
    Row(
      setup: "use base; use journal", audience: .external, expected: "COVERED_FOR_NAMED_RECIPIENTS"),
    Row(setup: "use base; use consent", audience: .ownWorkforce, expected: "COVERED"),
    Row(
      setup: "use base", audience: .ownWorkforce,
      expected: "NOT_NEEDED:TREATMENT_NO_AUTHORIZATION_REQUIRED", use: .diagnosis),
    Row(
      setup:
        "use base; use copy; determination D1 image=I9 removed=yes no-text=yes no-features=yes",
      audience: .external, expected: "DEIDENTIFIED", image: "I9"),
    Row(
      setup: "use base; use journal; revoke R1 grants=G1 recorded=2026-04-01T00:00:00Z",
      audience: .external, expected: "REVOKED"),
    Row(
      setup:
        "use base; paper A1 AUTHORIZATION of=P1; line G1 PERMIT of=A1 uses=EDUCATION audiences=EXTERNAL recipients=VENUE.j until=2026-05-01",
      audience: .external, expected: "EXPIRED"),
    Row(
      setup:
        "use base; paper A1 AUTHORIZATION of=P1 information=none; line G1 PERMIT of=A1 uses=EDUCATION audiences=EXTERNAL recipients=VENUE.j",
      audience: .external, expected: "DEFECTIVE:INFORMATION_DESCRIPTION"),
    Row(
      setup:
        "use base; paper A1 AUTHORIZATION of=P1 signature=none; line G1 PERMIT of=A1 uses=EDUCATION audiences=EXTERNAL recipients=VENUE.j",
      audience: .external, expected: "ASKED_WITHOUT_ANSWER"),
    Row(setup: "use base; use refusal", audience: .ownWorkforce, expected: "REFUSED"),
    Row(
      setup: "use base; use agreed", audience: .ownWorkforce, expected: "RESTRICTED",
      use: .diagnosis),
    Row(setup: "use base", audience: .external, expected: "NEVER_ASKED"),
    Row(
      setup: "use base; use consent", audience: .external,
      expected: "NOT_NAMED:CONSENT_NOT_SUFFICIENT"),
    Row(setup: "use base", audience: .external, expected: "NOT_SUPPORTED", use: .research),
    Row(setup: "use base; unevaluable A8 P1", audience: .external, expected: "NOT_EVALUABLE"),
    Row(setup: "use base", audience: .external, expected: "UNKNOWN_IMAGE", image: "I99"),
  ]

  @Test(arguments: classes)
  func eachImageHasOneClass(_ row: Row) throws {
    let facts = try World(row.setup, named: DecisionTables.setups).facts
    let coverage = probe(
      image: try key(row.image), use: row.use, audience: row.audience, facts: facts,
      at: try instant("2026-06-10T14:00:00Z"))
    #expect(coverage.coverageClass.name == row.expected)
  }
}

/// Every Check a cell could be asked with, by brute force over what the facts name.
struct Enumeration {
  let facts: Facts
  let image: ImageKey
  let use: Use
  let audience: Audience

  static let actors: [(RoleClass, Relationship)] = [
    (.clinician, .careTeam), (.billing, .noneStated),
  ]

  func permit(at: Instant) -> CheckRequest? {
    let names = Set(
      facts.instruments.flatMap(\.grants)
        .flatMap { $0.recipients + $0.disclosers }.compactMap(\.identifier)
        + facts.images.compactMap(\.part2?.programUnit)
        + facts.policies.flatMap(\.businessAssociates)
    ).sorted { $0.value < $1.value }
    let memberships: [[Identifier]] = [[], [identifier("somewhere")], names] + names.map { [$0] }
    for channel in Channel.allCases {
      for (role, relationship) in Enumeration.actors {
        for members in memberships {
          for name in names + [identifier("anybody")] {
            let request = check(channel, role, relationship, name, members)
            // What `decide` answers, without working out until when.
            let file = CaseFile(request, caller: CallerLimits(), facts: facts)
            if file.answer(at: at).effect == .permit { return request }
          }
        }
      }
    }
    return nil
  }

  private func check(
    _ channel: Channel, _ role: RoleClass, _ relationship: Relationship, _ name: Identifier,
    _ members: [Identifier]
  ) -> CheckRequest {
    let disclosers = facts.instruments.flatMap(\.grants).flatMap(\.disclosers)
      .compactMap(\.identifier)
    return CheckRequest(
      image: image, use: use, audience: audience, channel: channel,
      actor: Actor(
        user: audience.needsRecipient ? identifier("u1") : name, role: role,
        relationship: relationship,
        memberOf: audience.needsRecipient
          ? disclosers + facts.images.compactMap(\.part2?.programUnit) : members),
      recipient: audience.needsRecipient
        ? Party(kind: .person, identifier: name, memberOf: members) : nil)
  }
}
