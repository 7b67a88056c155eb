import ConsentCore
import ConsentProto
import ConsentStore
import Testing

@testable import ConsentServer

struct ListDecisionsTests {
  @Test func decisionsComeNewestFirstAndInPages() async throws {
    let desk = try await RecordDesk()
    var request = Consent_V1_CheckRequest()
    request.request = RequestReaderTests.asked
    var asked: [String] = []
    // Several at the same instant, then with growing gaps between them.
    for at in [
      "2026-03-10T15:00:00Z", "2026-03-10T15:00:00Z", "2026-03-11T00:00:00Z",
      "2026-06-01T00:00:00Z", "2031-01-01T00:00:00Z",
    ] {
      desk.clock.set(at)
      let answer = try await ConsentService.check(desk.service, request, by: desk.caller)
      asked.append(answer.decision.decisionID)
    }
    var list = Consent_V1_ListDecisionsRequest()
    list.pageSize = 2
    var found: [String] = []
    repeat {
      let page = try await ConsentService.listDecisions(desk.service, list, by: desk.caller)
        .response
      found += page.decisions.map(\.decision.decisionID)
      list.pageToken = page.nextPageToken
    } while !list.pageToken.isEmpty
    #expect(found == asked.reversed())
  }

  /// A batch has one instant, and may be longer than what is read at once.
  @Test func everyDecisionOfALongBatchIsSeen() async throws {
    let desk = try await RecordDesk()
    let count = 4_100
    _ = try await desk.store.decide(RecordDesk.organization) { reader in
      let image = ImageKey.sopInstance("1.2.840.1")
      let denied = Decision(effect: .deny, primary: .imageUnknown, at: reader.now)
      let entry = DecisionEntry(
        caller: "test", limits: CallerLimits(),
        request: CheckRequest(
          image: image, use: .education, audience: .external, channel: .presentation,
          actor: Actor(user: Identifier(system: "s", value: "v"), role: .clinician)),
        decision: denied, patient: nil)
      return Array(repeating: entry, count: count)
    }
    let seen = try await desk.store.read(RecordDesk.organization) { reader in
      var seen: [DecisionID] = []
      try reader.newestFirst(DecisionFilter()) { logged in
        seen.append(logged.id)
        return true
      }
      return seen
    }
    #expect(seen.count == count && Set(seen).count == count)
    #expect(seen.map(\.leaf) == seen.map(\.leaf).sorted(by: >))
  }
}
