import ConsentCore
import ConsentProto
import ConsentStore
import RPCServer
import RPCWire
import Testing

@testable import ConsentServer

struct CheckTests {
  private func request(_ uid: String) -> Consent_V1_CheckRequest {
    var request = Consent_V1_CheckRequest()
    request.request = RequestReaderTests.asked
    request.request.image.sopInstanceUid = uid
    request.request.actor.relationship = .careTeam
    return request
  }

  private func logged(_ desk: RecordDesk) async throws -> [LoggedDecision] {
    try await desk.store.read(RecordDesk.organization) {
      try $0.decisions(DecisionFilter(), limit: 1_000)
    }
  }

  /// A desk with one image covered by an authorization that leaves the discloser to the register.
  private func covered() async throws -> (desk: RecordDesk, uid: String) {
    let desk = try await RecordDesk()
    let patient = try await desk.patient()
    let uid = try await desk.image("1.2.840.1", of: patient)
    try await desk.record(patient, RecordDesk.paper([RecordDesk.terms { $0.disclosers = [] }]))
    return (desk, uid)
  }

  @Test func anAnswerIsLoggedAndExplainedIdentically() async throws {
    let (desk, uid) = try await covered()
    let answer = try await ConsentService.check(desk.service, request(uid), by: desk.caller)
    #expect(answer.decision.effect == .permit)
    #expect(answer.decision.reason == .authValid)
    let entries = try await logged(desk)
    #expect(entries.map(\.id.text) == [answer.decision.decisionID])

    // What is recorded later changes nothing of an explanation of then.
    try await desk.record(
      try await desk.patient("P-2"), RecordDesk.paper([RecordDesk.terms { $0.disclosers = [] }]))
    desk.clock.set("2027-06-01T00:00:00Z")
    var asked = Consent_V1_ExplainRequest()
    asked.decisionID = answer.decision.decisionID
    let explained = try await ConsentService.explain(desk.service, asked, by: desk.caller).response
    #expect(explained.decision == answer.decision)
    #expect(explained.ladder.last?.rung == .grant)
    #expect(explained.ladder.last?.effect == .permit)
    #expect(explained.factsPosition.position == answer.decision.position.position)
  }

  @Test func aTamperedLogIsNotExplainedAway() async throws {
    let (desk, uid) = try await covered()
    let answer = try await ConsentService.check(desk.service, request(uid), by: desk.caller)
    let other = try await desk.store.read(RecordDesk.organization) { reader in
      guard var logged = try reader.decisions(DecisionFilter(), limit: 1).first else { return "" }
      logged.entry.decision.effect = .deny
      do {
        _ = try Explanation(logged, in: reader)
        return "explained"
      } catch let error as ServiceError {
        return error == .replayDiffers(["effect"]) ? "differs" : "\(error)"
      }
    }
    #expect(answer.decision.effect == .permit)
    #expect(other == "differs")
  }

  @Test func aCheckLackingAFieldIsNoDecision() async throws {
    let (desk, uid) = try await covered()
    var lacking = request(uid)
    lacking.request.use = .unspecified
    await #expect(throws: ServiceError.self) {
      try await ConsentService.check(desk.service, lacking, by: desk.caller)
    }
    #expect(try await logged(desk).isEmpty)
  }

  @Test func inABatchAnItemThatLacksAFieldIsDeniedAlone() async throws {
    let (desk, uid) = try await covered()
    var batch = Consent_V1_BatchCheckRequest()
    var lacking = request(uid).request
    lacking.clearActor()
    batch.requests = [request(uid).request, lacking, request("9.9.9").request]
    let answers = try await ConsentService.batchCheck(desk.service, batch, by: desk.caller)
    #expect(answers.decisions.map(\.reason) == [.authValid, .actorRequired, .imageUnknown])
    #expect(answers.decisions[1].reasons.first?.field == "actor")
    #expect(try await logged(desk).count == 3)
  }

  @Test func aPositionAboveTheHeadOrOfAnotherHistoryIsUnavailable() async throws {
    let (desk, uid) = try await covered()
    let head = try await desk.head()
    for change: (inout Consent_V1_FeedPosition) -> Void in [
      { $0.position = head + 1 },
      {
        $0.position = head
        $0.chain = .init(repeating: 7, count: 32)
      },
    ] {
      var asked = request(uid)
      change(&asked.minPosition)
      let sent = asked
      do {
        _ = try await ConsentService.check(desk.service, sent, by: desk.caller)
        Issue.record("answered")
      } catch let error as ServiceError {
        #expect(error.rpcError.code == .unavailable)
      }
    }
    #expect(try await logged(desk).isEmpty)
  }

  @Test func theNamedPatientMustBeTheImages() async throws {
    let (desk, uid) = try await covered()
    var asked = request(uid)
    asked.request.patient.identifier = RecordDesk.identifier("P-1001")
    let right = try await ConsentService.check(desk.service, asked, by: desk.caller)
    #expect(right.decision.effect == .permit)
    asked.request.patient.identifier = RecordDesk.identifier("P-OTHER")
    let wrong = try await ConsentService.check(desk.service, asked, by: desk.caller)
    #expect(wrong.decision.reason == .patientMismatch)
    #expect(!wrong.decision.decisionID.isEmpty)
  }

  @Test func aCallerMayAssertOnlyWhatItsCredentialsAllow() async throws {
    let (desk, uid) = try await covered()
    var limited = desk.caller
    limited.limits.uses = [.diagnosis]
    let answer = try await ConsentService.check(desk.service, request(uid), by: limited)
    #expect(answer.decision.reason == .assertionNotAllowed)
  }

  @Test func anOverrideIsLoggedWithItsEventInOneChange() async throws {
    let desk = try await RecordDesk()
    let patient = try await desk.patient()
    let uid = try await desk.image("1.2.840.1", of: patient)
    let restriction = RecordDesk.terms {
      $0.effect = .deny
      $0.uses = [.diagnosis]
      $0.audiences = [.ownWorkforce]
      $0.recipients = []
      $0.disclosers = []
      $0.clearExpiry()
    }
    try await desk.record(
      patient, RecordDesk.paper([restriction]) { $0.kind = .restrictionAgreed })
    let before = try await desk.head()
    var asked = request(uid)
    asked.request.use = .diagnosis
    asked.request.audience = .ownWorkforce
    asked.request.channel = .pacsViewer
    asked.request.clearRecipient()
    let denied = try await ConsentService.check(desk.service, asked, by: desk.caller)
    #expect(denied.decision.reason == .restrictionAgreed)
    asked.request.emergency.statement = "unconscious"
    let broken = try await ConsentService.check(desk.service, asked, by: desk.caller)
    #expect(broken.decision.reason == .emergencyOverride)
    #expect(try await desk.events(after: before) == [.emergencyOverrideUsed])
    #expect(try await logged(desk).count == 2)
    var explain = Consent_V1_ExplainRequest()
    explain.decisionID = broken.decision.decisionID
    let explained = try await ConsentService.explain(desk.service, explain, by: desk.caller)
      .response
    #expect(explained.ladder.suffix(2).map(\.rung) == [.restriction, .emergency])
  }

  @Test func aGroupOfUnknownSizeIsNeverWhole() async throws {
    let (desk, uid) = try await covered()
    var group = Consent_V1_CheckGroupRequest()
    group.request = request(uid).request
    group.request.clearImage()
    group.studyInstanceUid = "1.2.3"
    let unknown = try await ConsentService.checkGroup(desk.service, group, by: desk.caller)
    #expect(unknown.decision.reason == .partialScope)
    group.expectedCount = 1
    let whole = try await ConsentService.checkGroup(desk.service, group, by: desk.caller)
    #expect(whole.decision.effect == .permit)
    #expect((whole.imageCount, whole.permittedCount) == (1, 1))
    var other = Consent_V1_ImageKey()
    other.sopInstanceUid = "7.7.7"
    group.clearExpectedCount()
    group.expectedImages = [RecordDesk.key(uid), other]
    let short = try await ConsentService.checkGroup(desk.service, group, by: desk.caller)
    #expect(short.decision.reason == .partialScope)
    #expect(short.unregistered == [other])
    group.studyInstanceUid = "5.5.5"
    group.expectedImages = []
    let empty = try await ConsentService.checkGroup(desk.service, group, by: desk.caller)
    #expect(empty.decision.reason == .imageUnknown)
    #expect(try await logged(desk).count == 4)
    for logged in try await logged(desk) {
      var asked = Consent_V1_ExplainRequest()
      asked.decisionID = logged.id.text
      _ = try await ConsentService.explain(desk.service, asked, by: desk.caller).response
    }
  }

  @Test func aReportOfUseIsTakenOnce() async throws {
    let (desk, uid) = try await covered()
    let answer = try await ConsentService.check(desk.service, request(uid), by: desk.caller)
    var report = Consent_V1_ReportUseRequest()
    report.decisionID = answer.decision.decisionID
    report.outcome = .done
    report.idempotencyKey = "k"
    let first = try await ConsentService.reportUse(desk.service, report, by: desk.caller)
    let again = try await ConsentService.reportUse(desk.service, report, by: desk.caller)
    #expect(first == again)
    report.outcome = .notDone
    let other = report
    await #expect(throws: StoreError.idempotencyConflict) {
      try await ConsentService.reportUse(desk.service, other, by: desk.caller)
    }
  }

  @Test func permittedImagesArePagedAtOnePosition() async throws {
    let desk = try await RecordDesk()
    let patient = try await desk.patient()
    for number in 1...5 { try await desk.image("1.2.840.\(number)", of: patient) }
    try await desk.record(patient, RecordDesk.paper([RecordDesk.terms { $0.disclosers = [] }]))
    var asked = Consent_V1_ListPermittedImagesRequest()
    asked.use = .education
    asked.audience = .external
    asked.pageSize = 2
    var found: [String] = []
    var positions: Set<UInt64> = []
    repeat {
      let page = try await ConsentService.listPermittedImages(
        desk.service, asked, by: desk.caller
      ).response
      found += page.images.map(\.image.sopInstanceUid)
      positions.insert(page.position.position)
      asked.pageToken = page.nextPageToken
      try await desk.image("1.2.840.9\(found.count)", of: patient)
    } while !asked.pageToken.isEmpty
    #expect(found == (1...5).map { "1.2.840.\($0)" })
    #expect(positions.count == 1)
  }
}
