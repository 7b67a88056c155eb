import ConsentCore
import ConsentProto
import ConsentStore
import Testing

@testable import ConsentServer

struct ListAccessesTests {
  private let first = PatientID(high: 1, low: 1)
  private let second = PatientID(high: 1, low: 2)

  /// Accesses a second apart, by turns of the first patient and of both.
  private func log(_ count: Int, on desk: RecordDesk) async throws {
    for number in 0..<count {
      desk.clock.set("2026-03-10T15:00:\(10 + number)Z")
      _ = try await desk.store.log(
        [
          Access(
            caller: number < 4 ? "viewer" : "archive", method: "consent.v1.S/M\(number)",
            patients: number.isMultiple(of: 2) ? [first] : [first, second], subject: "n=\(number)",
            at: desk.clock.now())
        ], of: RecordDesk.organization)
    }
  }

  private func list(
    _ desk: RecordDesk, pageSize: UInt32 = 2,
    _ change: (inout Consent_V1_ListAccessesRequest) -> Void = { _ in }
  ) async throws -> [Consent_V1_LoggedAccess] {
    var found: [Consent_V1_LoggedAccess] = []
    var request = Consent_V1_ListAccessesRequest()
    change(&request)
    request.pageSize = pageSize
    repeat {
      let page = try await ConsentService.listAccesses(desk.service, request, by: desk.caller)
        .response
      #expect(page.accesses.count <= Int(pageSize))
      found += page.accesses
      request.pageToken = page.nextPageToken
    } while !request.pageToken.isEmpty
    return found
  }

  @Test func theyAreListedInOrderPageByPage() async throws {
    let desk = try await RecordDesk()
    try await log(7, on: desk)
    let found = try await list(desk)
    #expect(found.map(\.subject) == (0..<7).map { "n=\($0)" })
    #expect(found[1].patientIds == [first.description, second.description])
    #expect(found[0].caller == "viewer" && found[0].method == "consent.v1.S/M0")
    #expect(found.allSatisfy { DecisionID(text: $0.accessID) != nil })
  }

  @Test func theyAreFilteredByPatientCallerAndPeriod() async throws {
    let desk = try await RecordDesk()
    try await log(7, on: desk)
    let ofSecond = try await list(desk) { $0.patient.patientID = second.description }
    #expect(ofSecond.map(\.subject) == ["n=1", "n=3", "n=5"])
    let byArchive = try await list(desk) { $0.caller = "archive" }
    #expect(byArchive.map(\.subject) == ["n=4", "n=5", "n=6"])
    let inPeriod = try await list(desk) {
      $0.period.from = .init("2026-03-10T15:00:11Z")
      $0.period.until = .init("2026-03-10T15:00:13Z")
    }
    #expect(inPeriod.map(\.subject) == ["n=1", "n=2"])
  }

  @Test func aListEndsWhereItBeganAlthoughEachPageIsAnAccess() async throws {
    let desk = try await RecordDesk()
    try await log(3, on: desk)
    var request = Consent_V1_ListAccessesRequest()
    request.pageSize = 1
    var found: [String] = []
    for page in 0..<10 {
      let answer = try await ConsentService.listAccesses(desk.service, request, by: desk.caller)
        .response
      found += answer.accesses.map(\.subject)
      request.pageToken = answer.nextPageToken
      guard !request.pageToken.isEmpty else { break }
      desk.clock.set("2026-03-10T15:01:\(10 + page)Z")
      _ = try await desk.store.log(
        [
          Access(
            caller: "auditor", method: "m", patients: [], subject: "page", at: desk.clock.now())
        ], of: RecordDesk.organization)
    }
    #expect(found == ["n=0", "n=1", "n=2"])
  }

  @Test func aTokenOfAnotherQuestionIsRefused() async throws {
    let desk = try await RecordDesk()
    try await log(3, on: desk)
    var request = Consent_V1_ListAccessesRequest()
    request.pageSize = 1
    request.pageToken = try await ConsentService.listAccesses(
      desk.service, request, by: desk.caller
    ).response.nextPageToken
    request.caller = "viewer"
    let other = request
    try await expectRefused(desk, naming: "page_token") {
      try await ConsentService.listAccesses(desk.service, other, by: desk.caller).response
    }
  }

  @Test func anAnswerHoldsSoManyPatientsAndOneAccessAtLeast() {
    func logged(_ patients: Int) -> LoggedAccess {
      LoggedAccess(
        id: DecisionID(log: ID(high: 1, low: 1), leaf: 0),
        access: Access(
          caller: "c", method: "m", patients: Array(repeating: first, count: patients),
          subject: nil, at: Instant(microseconds: 0)),
        head: FeedHead(position: 0, chain: [], known: Instant(microseconds: 0), factPosition: 0))
    }
    let most = AskedAccesses.patientsInAnswer
    #expect(AskedAccesses.page([logged(most + 1), logged(0)], size: 5).count == 1)
    #expect(AskedAccesses.page([logged(most - 1), logged(1), logged(1)], size: 5).count == 2)
    #expect(AskedAccesses.page([logged(0), logged(most)], size: 5).count == 2)
    #expect(AskedAccesses.page([logged(0), logged(0)], size: 1).count == 1)
  }
}
