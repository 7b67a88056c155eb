import ConsentCore
import ConsentProto
import ConsentStore
import SwiftProtobuf
import Testing

@testable import ConsentServer

@Suite struct RecordDisclosureTests {
  private func disclosure(of patient: String, _ images: [String] = [])
    -> Consent_V1_RecordDisclosureRequest
  {
    var request = Consent_V1_RecordDisclosureRequest()
    request.patient.patientID = patient
    request.images = images.map { RecordDesk.key($0) }
    request.disclosed.localDay = RecordDesk.day("2026-02-03")
    request.recipient.kind = .organization
    request.recipient.name = "County court"
    request.recipient.address = "1 Main Street"
    request.information = "chest films"
    request.purpose = "subpoena 17"
    request.ground = .permittedByLaw
    request.paragraph = "164.512(e)"
    request.idempotencyKey = RecordDesk.newKey()
    return request
  }

  private func accounting(
    _ desk: RecordDesk, _ patient: String, pageSize: UInt32 = 0, token: String = ""
  ) async throws -> Consent_V1_AccountingOfDisclosuresResponse {
    var request = Consent_V1_AccountingOfDisclosuresRequest()
    request.patient.patientID = patient
    request.pageSize = pageSize
    request.pageToken = token
    return try await ConsentService.accountingOfDisclosures(desk.service, request, by: desk.caller)
      .response
  }

  @Test func itIsInTheAccountingAsItWasStated() async throws {
    let desk = try await RecordDesk(at: "2026-03-10T15:00:00Z")
    let id = try await desk.patient()
    try await desk.image("1.2.3.4", of: id)
    let request = disclosure(of: id, ["1.2.3.4"])
    let head = try await desk.head()
    let answer = try await ConsentService.recordDisclosure(desk.service, request, by: desk.caller)
    let again = try await ConsentService.recordDisclosure(desk.service, request, by: desk.caller)
    #expect(again.disclosureID == answer.disclosureID)
    #expect(try await desk.head() == head)
    let told = try await accounting(desk, id)
    #expect(told.total == 1 && told.nextPageToken.isEmpty)
    let line = try #require(told.lines.first)
    #expect(line.disclosed.localDay == RecordDesk.day("2026-02-03"))
    #expect(line.recipient.name == "County court" && line.recipient.address == "1 Main Street")
    #expect(line.information == "chest films" && line.purpose == "subpoena 17")
    #expect(line.source == .recorded && line.record.id == answer.disclosureID)
    #expect(line.record.kind == .disclosure && line.decisionID.isEmpty)
    #expect(told.period.until.seconds >= told.period.from.seconds + 6 * 365 * 86_400)
  }

  @Test func pagesAddUp() async throws {
    let desk = try await RecordDesk(at: "2026-03-10T15:00:00Z")
    let id = try await desk.patient()
    for _ in 0..<3 {
      _ = try await ConsentService.recordDisclosure(
        desk.service, disclosure(of: id), by: desk.caller)
    }
    let first = try await accounting(desk, id, pageSize: 2)
    let second = try await accounting(desk, id, pageSize: 2, token: first.nextPageToken)
    #expect(first.total == 3 && first.lines.count == 2 && second.lines.count == 1)
    #expect(Set((first.lines + second.lines).map(\.record.id)).count == 3)
  }

  @Test(arguments: 0..<6) func whatIsMissingOrWrongIsRefusedAndNothingIsRecorded(
    number: Int
  ) async throws {
    let desk = try await RecordDesk(at: "2026-03-10T15:00:00Z")
    let id = try await desk.patient()
    let other = try await desk.patient("P-1002")
    try await desk.image("1.2.3.9", of: other)
    var request = disclosure(of: id)
    switch number {
    case 0: request.clearRecipient()
    case 1: request.information = ""
    case 2: request.ground = .unspecified
    case 3: request.disclosed.localDay = RecordDesk.day("2026-03-11")
    case 4: request.images = [RecordDesk.key("1.2.3.9")]
    default: request.patient.patientID = RecordDesk.newKey()
    }
    let refused = request
    try await expectRefused(desk) {
      try await ConsentService.recordDisclosure(desk.service, refused, by: desk.caller)
    }
    #expect(try await accounting(desk, id).total == 0)
  }
}
