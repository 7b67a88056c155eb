import ConsentCore
import Testing

@Suite struct LifecycleTests {
  static let now: String = "2026-06-10T14:05:00Z"

  func builder(_ setup: String, now: String = "2026-06-10T14:05:00Z") throws -> ChangeBuilder {
    ChangeBuilder(
      facts: try World(setup, named: DecisionTables.setups).facts,
      clock: CommandClock(now: try instant(now), today: try day(String(now.prefix(10)))))
  }

  /// The one record of a kind that a notation makes, not yet part of the facts.
  func facts(_ setup: String) throws -> Facts {
    try World(setup, named: DecisionTables.setups).facts
  }

  static let base: String = "use base; use journal"
  static let revocationText: String = "revoke R1 grants=G1 recorded=2026-06-10T14:05:00Z"

  func revocation(_ text: String = Self.revocationText) throws -> Revocation {
    try #require(try facts(text).revocations.first)
  }

  // MARK: Recording

  @Test func aDefectivePaperIsRecordedWithItsDefects() throws {
    let paper = try facts(
      Self.base
        + "; paper A2 AUTHORIZATION of=P1 signature=none; line G2 PERMIT of=A2 uses=EDUCATION audiences=EXTERNAL recipients=VENUE.x"
    ).instruments[1]
    var undetermined = paper
    undetermined.defects = []
    let change = try builder(Self.base).recordInstrument(undetermined)
    #expect(change.events.map(\.kind) == [.instrumentRecorded])
    guard case .instrument(let stored) = change.records[0].record else { return }
    #expect(stored.defects == [Defect(.signature)])
    #expect(change.events[0].images == [try key("I1"), try key("I2")])
    #expect(change.events[0].scope == .patient)
  }

  @Test func anAgreedRestrictionHasItsOwnEventToo() throws {
    let paper = try facts("use base; use agreed").instruments[0]
    let change = try builder("use base").recordInstrument(paper)
    #expect(change.events.map(\.kind) == [.instrumentRecorded, .restrictionAgreed])
    #expect(change.records.map(\.event) == [0])
  }

  @Test func theSameCommandMakesTheSameSubjects() throws {
    let builder = try builder(Self.base)
    let first = try builder.revoke(try revocation()).change.events.map(\.subject)
    #expect(try builder.revoke(try revocation()).change.events.map(\.subject) == first)
    #expect(first == ["GrantRevoked:00000047-0000-0000-0000-000000000001:1"])
  }

  @Test func theSameScanTwiceIsWarnedOf() throws {
    var facts = try facts(Self.base)
    facts.instruments[0].documentSHA256 = String(repeating: "a", count: 64)
    var paper = facts.instruments[0]
    paper.id = try id("A2")
    let builder = ChangeBuilder(
      facts: facts,
      clock: CommandClock(now: try instant(Self.now), today: try day("2026-06-10")))
    #expect(builder.sameScan(as: paper) == [try id("A1")])
  }

  // MARK: Revoking

  @Test func aRevocationEndsTheGrantAndListsWhatStillCovers() throws {
    let outcome = try builder(Self.base + "; use wide").revoke(try revocation())
    #expect(outcome.change.events.map(\.kind) == [.grantRevoked])
    #expect(
      outcome.change.ends == [
        GrantEnd(grant: try id("G1"), version: 1, kind: .grantRevoked, ended: try instant(Self.now))
      ])
    #expect(outcome.stillCovering == [try id("G3")])
    #expect(outcome.images == [try key("I1")])
  }

  @Test func anEndedGrantIsRevokedWithAnEventOfItsOwnKind() throws {
    let outcome = try builder(Self.base, now: "2027-06-10T14:05:00Z").revoke(try revocation())
    #expect(outcome.change.events.map(\.kind) == [.endedGrantRevoked])
    #expect(outcome.change.ends.isEmpty)
    #expect(outcome.alreadyEnded == [try id("G1")])
  }

  @Test func anOralRevocationThatDoesNotBindIsRecordedAndEndsNothing() throws {
    let builder = try builder(Self.base + "; policy version=1 oral=no")
    let oral = try revocation(Self.revocationText + " method=ORAL")
    let outcome = try builder.revoke(oral)
    #expect(!outcome.binds && outcome.change.ends.isEmpty && outcome.alreadyEnded.isEmpty)
    #expect(outcome.change.events.map(\.kind) == [.revocationNotBinding])
    #expect(
      outcome.change.events[0].subject
        == "RevocationNotBinding:\(try id("G1") as GrantID):1:\(oral.id)")
    #expect(outcome.change.records.map(\.record) == [.revocation(oral)])
    #expect(outcome.stillCovering == [try id("G1")])
    let after = builder.facts(recording: outcome.change)
    #expect(after.status(of: try id("G1"), at: try instant(Self.now))?.state == .active)
    let written = try ChangeBuilder(facts: after, clock: builder.clock)
      .revoke(try revocation("revoke R2 grants=G1 recorded=2026-06-10T14:05:00Z"))
    #expect(written.binds && written.change.ends.count == 1)
  }

  struct Refused: Sendable {
    let setup: String
    let revocation: String
    let rule: String
  }

  static let minor: String = "patient P1 majority=2030-01-01T06:00:00Z; image I1 of=P1"
  static let line: String = "line G1 PERMIT of=A1 uses=EDUCATION audiences=OWN_WORKFORCE"
  static let refusedRevocations: [Refused] = [
    Refused(
      setup: minor + "; paper A1 CONSENT of=P1 by=MINOR_CONSENTING; " + line,
      revocation: revocationText + " by=PARENT:m", rule: "164.502(g)(3)(i)"),
    Refused(
      setup: minor + "; paper A1 CONSENT of=P1 by=PARENT:m; " + line, revocation: revocationText,
      rule: "164.502(g)(3)"),
    Refused(
      setup: "patient P1; paper A1 CONSENT of=P1 by=PARENT:m; " + line,
      revocation: revocationText + " by=PARENT:m", rule: "164.502(g)(3)"),
    Refused(
      setup: base, revocation: revocationText + " by=FINANCIAL_POWER_OF_ATTORNEY:x",
      rule: "164.502(g)(2)"),
    Refused(
      setup: "patient P1; paper A1 REFUSAL of=P1; line G1 DENY of=A1",
      revocation: revocationText + " by=GUARDIAN:x", rule: "164.502(g)"),
  ]

  @Test(arguments: refusedRevocations)
  func whoMayNotRevokeIsToldTheRule(_ row: Refused) throws {
    let builder = try builder(row.setup)
    let revocation = try revocation(row.revocation)
    #expect {
      _ = try builder.revoke(revocation)
    } throws: { error in
      if case .notAllowed(let rule, _)? = error as? CommandRefusal { return rule == row.rule }
      return false
    }
  }

  static let allowed: [Refused] = [
    Refused(
      setup: minor + "; paper A1 CONSENT of=P1 by=PARENT:m; " + line,
      revocation: revocationText + " by=PARENT:m", rule: ""),
    Refused(
      setup: minor + "; paper A1 CONSENT of=P1 by=MINOR_CONSENTING; " + line,
      revocation: revocationText + " by=MINOR_CONSENTING", rule: ""),
    Refused(
      setup: "patient P1; paper A1 CONSENT of=P1 by=PARENT:m; " + line, revocation: revocationText,
      rule: ""),
    Refused(setup: base, revocation: revocationText + " by=GUARDIAN:x", rule: ""),
  ]

  @Test(arguments: allowed)
  func whoMayRevokeDoes(_ row: Refused) throws {
    let outcome = try builder(row.setup).revoke(try revocation(row.revocation))
    #expect(outcome.change.events.map(\.kind) == [.grantRevoked])
  }

  @Test func aRevocationBeforeTheSignatureIsRefusedByItsField() throws {
    let builder = try builder(Self.base)
    let early = try revocation(Self.revocationText + " signed=2026-02-28")
    #expect(
      throws: CommandRefusal.invalid([
        FieldViolation("revocation.signed", "a paper is revoked after it is signed")
      ])
    ) { _ = try builder.revoke(early) }
  }

  // MARK: Errors and reinstatement

  func error(_ target: String) throws -> EnteredInError {
    try #require(
      try facts("error X1 target=\(target) recorded=2026-06-10T14:05:00Z").enteredInError.first)
  }

  @Test func anErroneousRevocationBringsBackTheGrantsNextVersion() throws {
    let setup = Self.base + "; revoke R1 grants=G1 recorded=2026-06-01T00:00:00Z"
    let change = try builder(setup).enterInError(try error("REVOCATION:R1"))
    #expect(change.events.map(\.kind) == [.recordEnteredInError, .grantReinstated])
    #expect(change.events[1].subject.hasSuffix(":2"))
    #expect(change.ends.isEmpty)
  }

  @Test func aReinstatedGrantEndsByItsNextVersion() throws {
    let setup =
      Self.base
      + "; revoke R1 grants=G1 recorded=2026-06-01T00:00:00Z; error X1 target=REVOCATION:R1 recorded=2026-06-02T00:00:00Z"
    let due = try facts(setup).dueEnds(at: try instant("2027-01-01T06:00:00Z"))
    #expect(
      due.map { $0.change.ends } == [
        [
          GrantEnd(
            grant: try id("G1"), version: 2, kind: .grantExpired,
            ended: try instant("2027-01-01T06:00:00Z"))
        ]
      ])
  }

  @Test func aRevocationOfAnEndedGrantEnteredInErrorBringsNothingBack() throws {
    let setup = Self.base + "; revoke R1 grants=G1 recorded=2027-06-01T00:00:00Z"
    let change = try builder(setup, now: "2027-06-10T00:00:00Z")
      .enterInError(try error("REVOCATION:R1"))
    #expect(change.events.map(\.kind) == [.recordEnteredInError])
  }

  @Test func anErroneousPaperEndsItsLiveGrants() throws {
    let change = try builder(Self.base).enterInError(try error("INSTRUMENT:A1"))
    #expect(change.ends.map(\.kind) == [.recordEnteredInError])
    #expect(change.events.map(\.kind) == [.recordEnteredInError])
  }

  @Test func anUnknownRecordIsNotEnteredInError() throws {
    let builder = try builder(Self.base)
    let unknown = try error("INSTRUMENT:A99")
    #expect(throws: CommandRefusal.unknownRecord(unknown.target)) {
      _ = try builder.enterInError(unknown)
    }
  }

  @Test func falseInformationEndsTheGrants() throws {
    let report = try #require(try facts("false F1 paper=A1").falseInformation.first)
    let change = try builder(Self.base).reportFalseInformation(report)
    #expect(change.events.map(\.kind) == [.instrumentFalsified])
    #expect(change.ends.map(\.kind) == [.instrumentFalsified])
  }

  @Test func onlyAnAgreedRestrictionEnds() throws {
    let end = try #require(try facts("endrestriction N1 paper=A5").restrictionEnds.first)
    let change = try builder("use base; use agreed").endRestriction(end)
    #expect(change.events.map(\.kind) == [.restrictionEnded])
    let refusalBuilder = try builder("use base; paper A5 REFUSAL of=P1; line G5 DENY of=A5")
    #expect(throws: CommandRefusal.self) { _ = try refusalBuilder.endRestriction(end) }
  }

  // MARK: Policy

  struct Floor: Sendable {
    let field: String
    let lower: @Sendable (inout Policy) -> Void
  }

  static let floors: [Floor] = [
    Floor(field: "policy.majority_age") { $0.majorityAge = 17 },
    Floor(field: "policy.majority_age") { $0.majorityAge = 22 },
    Floor(field: "policy.treatment_channels") { $0.treatmentChannels.insert(.socialMedia) },
    Floor(field: "policy.individual_channels") { $0.individualChannels.insert(.personalEmail) },
    Floor(field: "policy.treatment_roles") { $0.treatmentRoles.insert(.billing) },
    Floor(field: "policy.emergency_roles") { $0.emergencyRoles.insert(.other) },
    Floor(field: "policy.emergency_review_hours") { $0.emergencyReviewHours = 169 },
    Floor(field: "policy.clock_allowance") { $0.clockAllowanceMicroseconds = -1 },
    Floor(field: "policy.operations_obligations") { $0.operationsObligations = [] },
    Floor(field: "policy.effective") { $0.effective = .distantPast },
    Floor(field: "policy.version") { $0.version = 3 },
  ]

  @Test(arguments: floors.indices)
  func aPolicyBelowItsFloorNamesTheSwitch(_ index: Int) throws {
    let floor = Self.floors[index]
    var policy = Policy(recordID: try id("Y1"), version: 1, effective: try instant(Self.now))
    floor.lower(&policy)
    let builder = try builder("use base")
    #expect {
      _ = try builder.setPolicy(policy)
    } throws: { error in
      if case .invalid(let found)? = error as? CommandRefusal {
        return found.map(\.field) == [floor.field]
      }
      return false
    }
  }

  @Test func theDefaultsAreAtOrAboveEveryFloor() throws {
    #expect(Policy().belowFloor == [])
    let policy = Policy(recordID: try id("Y1"), version: 1, effective: try instant(Self.now))
    #expect(try builder("use base").setPolicy(policy).events.map(\.kind) == [.policyChanged])
  }

  // MARK: Images

  @Test func aDerivativeOfAnUnknownImageIsRefused() throws {
    let facts = try facts("image I9 of=P1 kind=DERIVATIVE sources=I77")
    let builder = try builder("use base")
    #expect(
      throws: CommandRefusal.invalid([
        FieldViolation("image.sources[0]", "register the source first")
      ])
    ) { _ = try builder.registerImage(facts.images[0]) }
  }

  @Test func aCycleIsRefused() throws {
    let builder = try builder("use base; use copy")
    let image = try facts("image I1 of=P1 v=2 kind=DERIVATIVE sources=I9").images[0]
    #expect(
      throws: CommandRefusal.invalid([
        FieldViolation("image.sources[0]", "a source is not made from its derivative")
      ])
    ) { _ = try builder.correctImage(image) }
  }

  @Test func aCorrectionKeepsTheFirstRecording() throws {
    let change = try builder("use base")
      .correctImage(try facts("image I1 of=P3 v=2 recorded=2026-06-10").images[0])
    guard case .image(let stored) = change.records[0].record else { return }
    #expect(stored.firstRecorded == (try instant("2026-01-01")))
    #expect(change.events.map(\.kind) == [.imageCorrected])
  }

  @Test func anOriginalCannotBeDetermined() throws {
    let builder = try builder("use base")
    let determination = try facts("determination D1 image=I1 removed=yes").determinations[0]
    #expect(throws: CommandRefusal.self) { _ = try builder.recordDeidentification(determination) }
  }

  @Test func aDeterminationsEventNamesNoPatient() throws {
    let change = try builder("use base; use copy")
      .recordDeidentification(try facts("determination D1 image=I9").determinations[0])
    #expect(change.events[0].patient == nil)
    #expect(change.events[0].images == [try key("I9")])
  }

  // MARK: Patients

  @Test func mergingTwiceIsRefused() throws {
    let merge = try facts("merge M1 P1 P2").merges[0]
    #expect(try builder("use base").mergePatients(merge).events.map(\.kind) == [.patientsMerged])
    let merged = try builder("use base; merge M2 P1 P2")
    #expect(throws: CommandRefusal.self) { _ = try merged.mergePatients(merge) }
  }

  @Test func aCorrectedBirthDateBringsBackWhatHadEnded() throws {
    let setup =
      "patient P2 majority=2026-03-10T06:00:00Z; image I3 of=P2; paper A1 CONSENT of=P2 by=PARENT:m; line G1 PERMIT of=A1 uses=EDUCATION audiences=OWN_WORKFORCE until=majority"
    let change = try builder(setup)
      .updatePatient(try facts("patient P2 v=2 majority=2028-03-10T06:00:00Z").patients[0])
    #expect(change.events.map(\.kind) == [.patientCorrected, .grantReinstated])
  }
}

extension ChangeBuilder {
  /// The facts as they are once a change is stored.
  fileprivate func facts(recording change: Change) -> Facts {
    var builder = self
    builder.insert(change)
    return builder.facts
  }
}
