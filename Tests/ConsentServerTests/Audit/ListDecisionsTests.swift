import ConsentCore
import ConsentProto
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
      found += page.decisions.map(\.decision.decisionID)
      list.pageToken = page.nextPageToken
    } while !list.pageToken.isEmpty
    #expect(found == asked.reversed())
  }
}
