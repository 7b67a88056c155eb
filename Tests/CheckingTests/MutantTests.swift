import ConsentCore
import ConsentStore
import Synchronization
import Testing

@testable import Checking

/// Every way to break the checker that is known is noticed by a scenario made for it, which finds
/// nothing wrong with the checker as it is.
@Suite(.fewAtOnce) struct MutantTests {
  /// - Returns: whether a promise was broken.
  typealias Scenario = @Sendable (CheckingMutant?) async throws -> Bool

  static let scenarios: [CheckingMutant: Scenario] = [
    .skipHeadValidation: Scenarios.checkAfterRevocationElsewhere,
    .appendBlindly: Scenarios.checkAfterRevocationElsewhere,
    .compareWithApplied: Scenarios.indexMovesBetweenDecisionAndAppend,
    .fillWithoutPosition: Scenarios.changePassesWhileFactsAreRead,
    .answerBeforeCommit: Scenarios.appendFails,
    .ignoreLogTail: Scenarios.logLosesItsEnd,
    .reusePosition: Scenarios.decisionIsTakenAgain,
    .knownFromClock: Scenarios.clockIsBehind,
    .forgetScopes: Scenarios.studyIsRefused,
    .keepPolicies: Scenarios.policyIsSet,
    .forgetMerged: Scenarios.patientWhoRefusesIsMerged,
  ]

  @Test func everyMutantIsCaughtAndTheCheckerIsNot() async throws {
    var caught: [CheckingMutant] = []
    for mutant in CheckingMutant.allCases {
      let scenario = try #require(Self.scenarios[mutant], "no scenario for \(mutant)")
      #expect(try await !scenario(nil), "the checker itself fails the scenario of \(mutant)")
      if try await scenario(mutant) { caught.append(mutant) }
    }
    for mutant in CheckingMutant.allCases {
      print("mutant \(mutant.rawValue): \(caught.contains(mutant) ? "caught" : "NOT CAUGHT")")
    }
    #expect(caught == CheckingMutant.allCases)
  }
}

enum Scenarios {
  /// A paper is revoked on another node; a question asked afterwards must not be permitted.
  @Sendable static func checkAfterRevocationElsewhere(_ mutant: CheckingMutant?) async throws
    -> Bool
  {
    let clinic = try await Clinic(.postgres)
    let patient = try await clinic.patient()
    let image = try await clinic.image(0, of: patient)
    let paper = try await clinic.paper(of: patient)
    let node = clinic.node(mutant)
    guard try await node.ask(image).effect == .permit else { return true }
    try await clinic.revoke(paper)
    return try await node.ask(image).effect == .permit
  }

  /// The decision is taken on the index; before it is sent, another question moves the index past a
  /// revocation that had been acknowledged before either was asked.
  @Sendable static func indexMovesBetweenDecisionAndAppend(
    _ mutant: CheckingMutant?
  ) async throws -> Bool {
    let clinic = try await Clinic(.memory)
    let patient = try await clinic.patient()
    let image = try await clinic.image(0, of: patient)
    let paper = try await clinic.paper(of: patient)
    let node = clinic.node(mutant)
    guard try await node.ask(image).effect == .permit else { return true }
    let revoked = try await clinic.revoke(paper)
    let isFirst = Once()
    let logged = try await node.ask(image) {
      guard isFirst.take() else { return }
      // The body has its facts already; the index moves while it decides.
      node.checker.preload([clinic.organization])
      let deadline = ContinuousClock.now + .seconds(30)
      while node.checker.state(of: clinic.organization).position < revoked,
        ContinuousClock.now < deadline
      {}
    }
    return logged.effect == .permit
  }

  /// Facts are read for the index; before they arrive, the index follows the feed past their
  /// revocation. They must not be taken in as they were.
  @Sendable static func changePassesWhileFactsAreRead(_ mutant: CheckingMutant?) async throws
    -> Bool
  {
    let clinic = try await Clinic(.memory)
    let (one, other) = (try await clinic.patient(), try await clinic.patient())
    let image = try await clinic.image(0, of: one)
    let elsewhere = try await clinic.image(1, of: other)
    let paper = try await clinic.paper(of: one)
    let node = clinic.node(mutant)
    _ = try await node.ask(elsewhere)
    let (isRead, gate, isFirst) = (Latch(), Latch(), Once())
    node.store.hooks.afterRead = {
      guard isFirst.take() else { return }
      await isRead.open()
      await gate.wait()
    }
    let reading = Task { try await node.ask(image) }
    await isRead.wait()
    try await clinic.revoke(paper)
    // A question about another image brings the index past the revocation.
    _ = try await node.ask(elsewhere)
    await gate.open()
    _ = try await reading.value
    return try await node.ask(image).effect == .permit
  }

  /// The append fails: nobody may have an answer that is in no log.
  @Sendable static func appendFails(_ mutant: CheckingMutant?) async throws -> Bool {
    let clinic = try await Clinic(.postgres)
    let patient = try await clinic.patient()
    let image = try await clinic.image(0, of: patient)
    let node = clinic.node(mutant)
    node.store.hooks.beforeAppend = { _, _ in throw StoreError.unavailable("it is cut off") }
    guard let logged = try? await node.ask(image) else { return false }
    return try await clinic.bench.read { try $0.decision(logged.id) } == nil
  }

  /// The database loses the end of the log, as a restored backup would: the log may not go on.
  @Sendable static func logLosesItsEnd(_ mutant: CheckingMutant?) async throws -> Bool {
    let clinic = try await Clinic(.postgres)
    let patient = try await clinic.patient()
    let image = try await clinic.image(0, of: patient)
    let node = clinic.node(mutant)
    let before = try await node.ask(image)
    let lost = try await node.ask(image)
    try await Damage.loseDecision(lost.id, of: clinic.organization)
    let after = try await node.ask(image)
    return after.id.log == before.id.log
  }

  /// A decision is taken again because facts changed: it must be explained by the position that it
  /// is logged at.
  @Sendable static func decisionIsTakenAgain(_ mutant: CheckingMutant?) async throws -> Bool {
    let clinic = try await Clinic(.postgres)
    let (one, other) = (try await clinic.patient(), try await clinic.patient())
    let image = try await clinic.image(0, of: one)
    let elsewhere = try await clinic.image(1, of: other)
    let node = clinic.node(mutant)
    _ = try await node.ask([image, elsewhere])
    try await clinic.image(2, of: other)
    let logged = try await node.ask(image)
    let kept = try await clinic.bench.read { try $0.decision(logged.id) }
    guard let kept else { return true }
    return try await clinic.again(kept) != kept.entry.decision
  }

  /// This node's clock is three seconds behind that of the node which recorded the facts: they must
  /// be known at the instant of the decision that sees them.
  @Sendable static func clockIsBehind(_ mutant: CheckingMutant?) async throws -> Bool {
    let clinic = try await Clinic(.postgres)
    let patient = try await clinic.patient()
    let image = try await clinic.image(0, of: patient)
    let slow = SlowClock(clock: clinic.bench.clock, microseconds: 3_000_000)
    let logged = try await clinic.node(mutant, clock: slow).ask(image)
    return logged.entry.decision.at < logged.head.known
  }

  /// What the patient permits for everything is refused for the study that the image is of.
  @Sendable static func studyIsRefused(_ mutant: CheckingMutant?) async throws -> Bool {
    let clinic = try await Clinic(.memory)
    let patient = try await clinic.patient()
    let image = try await clinic.image(0, of: patient)
    _ = try await clinic.paper(of: patient)
    var refusal = Build.grant(scope: .study(uid: "1.2.3"))
    refusal.effect = .deny
    refusal.recipients = []
    refusal.channels = nil
    var paper = Build.instrument(of: patient, [refusal], signed: LocalDay(daysSince1970: 20_001))
    paper.kind = .refusal
    paper.defects = []
    try await clinic.bench.append(Build.record(paper))
    let node = clinic.node(mutant)
    // The first answer is from a reading, the second from the index.
    _ = try await node.ask(image)
    let logged = try await node.ask(image)
    let again = try await clinic.again(logged)
    return logged.effect == .permit || again.primary != logged.entry.decision.primary
  }
}

extension Scenarios {
  /// A policy that says otherwise is set between two questions.
  @Sendable static func policyIsSet(_ mutant: CheckingMutant?) async throws -> Bool {
    let clinic = try await Clinic(.postgres)
    let patient = try await clinic.patient()
    let image = try await clinic.image(0, of: patient)
    _ = try await clinic.paper(of: patient)
    let node = clinic.node(mutant)
    _ = try await node.ask(image)
    guard try await node.ask(image).effect == .permit else { return true }
    var policy = Policy(recordID: random(), version: 1, effective: .distantPast)
    policy.externalEducationChannels = []
    try await clinic.bench.append(Build.change(.policy(policy), .policyChanged))
    let logged = try await node.ask(image)
    return try await clinic.again(logged) != logged.entry.decision
  }

  /// A patient who permits turns out to be one who refused.
  @Sendable static func patientWhoRefusesIsMerged(_ mutant: CheckingMutant?) async throws -> Bool {
    let clinic = try await Clinic(.postgres)
    let (one, other) = (try await clinic.patient(), try await clinic.patient())
    let image = try await clinic.image(0, of: one)
    _ = try await clinic.paper(of: one)
    var refusal = Build.grant()
    refusal.effect = .deny
    refusal.recipients = []
    refusal.channels = nil
    var paper = Build.instrument(of: other, [refusal], signed: LocalDay(daysSince1970: 20_001))
    paper.kind = .refusal
    paper.defects = []
    try await clinic.bench.append(Build.record(paper))
    let node = clinic.node(mutant)
    _ = try await node.ask(image)
    guard try await node.ask(image).effect == .permit else { return true }
    // The row names the other one.
    try await clinic.bench.append(
      Build.change(.merge(Build.merge(other, one)), .patientsMerged, patient: other))
    return try await node.ask(image).effect == .permit
  }
}

struct SlowClock: WallClock {
  var clock: ManualClock
  var microseconds: Int64

  func now() -> Instant { clock.now().adding(microseconds: -microseconds) }
}
