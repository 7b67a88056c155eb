import ConsentCore
import ConsentProto
import Foundation
import Testing

@testable import ConsentServer

struct ListEventsTests {
  private func list(
    _ desk: RecordDesk, _ change: (inout Consent_V1_ListEventsRequest) -> Void = { _ in }
  ) async throws -> Consent_V1_ListEventsResponse {
    var request = Consent_V1_ListEventsRequest()
    change(&request)
    return try await ConsentService.listEvents(desk.service, request, by: desk.caller).response
  }

  @Test func pagesFollowOnEachOtherWithoutGapOrRepeat() async throws {
    let desk = try await RecordDesk()
    let patient = try await desk.patient()
    for number in 1...7 { try await desk.image("1.2.840.\(number)", of: patient) }
    var positions: [UInt64] = []
    var after = Consent_V1_FeedPosition()
    while true {
      let page = try await list(desk) {
        $0.after = after
        $0.pageSize = 3
      }
      positions += page.events.map(\.position.position)
      after = page.position
      if !page.more { break }
    }
    #expect(positions == Array(1...8))
  }

  @Test func whatAFilterLeavesOutStillAdvances() async throws {
    let desk = try await RecordDesk()
    let patient = try await desk.patient()
    try await desk.image("1.2.840.1", of: patient)
    let page = try await list(desk) { $0.filter.kinds = [.grantRevoked] }
    #expect(page.events.isEmpty)
    #expect(page.position.position == (try await desk.head()))
    #expect(!page.more)
  }

  @Test func anotherHistoryIsAReasonToStartOver() async throws {
    let desk = try await RecordDesk()
    try await desk.patient()
    do {
      _ = try await list(desk) {
        $0.after.position = 1
        $0.after.chain = Data(repeating: 9, count: 32)
      }
      Issue.record("answered")
    } catch let error as ServiceError {
      #expect(error == .historyReplaced(at: 1))
    }
  }

  @Test func aRevocationTellsWhichGrantEndedAndWhy() async throws {
    let desk = try await RecordDesk()
    let patient = try await desk.patient()
    try await desk.image("1.2.840.1", of: patient)
    let grants = try await desk.record(patient).instrument.grants.map(\.grantID)
    _ = try await desk.revoke(desk.revocation(patient, grants))
    let events = try await list(desk) { $0.filter.kinds = [.grantRevoked] }.events
    #expect(events.map(\.grantEnded.grantID) == grants)
    #expect(events.first?.grantEnded.reason == .authRevoked)
    #expect(events.first?.patientID == patient)
  }
}
