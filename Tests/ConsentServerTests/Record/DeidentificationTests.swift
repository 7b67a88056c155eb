import ConsentCore
import ConsentProto
import SwiftProtobuf
import Testing

@testable import ConsentServer

@Suite struct DeidentificationTests {
  /// A patient's film and a copy made from it.
  func desk() async throws -> RecordDesk {
    let desk = try await RecordDesk()
    let id = try await desk.patient()
    try await desk.image("1.2.3.4", of: id)
    try await desk.image("1.2.3.5", of: id) {
      $0.kind = .derivative
      $0.sources = [RecordDesk.key("1.2.3.4")]
    }
    return desk
  }

  func request(
    _ uid: String = "1.2.3.5",
    _ change: (inout Consent_V1_DeidentificationFields) -> Void = { _ in }
  ) -> Consent_V1_RecordDeidentificationRequest {
    var request = Consent_V1_RecordDeidentificationRequest()
    request.determination.image = RecordDesk.key(uid)
    request.determination.method = .expertDetermination
    request.determination.determinedBy = "the statistician"
    request.determination.determined.localDay = RecordDesk.day("2026-03-09")
    request.determination.identityRemoved = .yes
    request.determination.noBurnedInText = .yes
    request.determination.noRecognizableFeatures = .yes
    change(&request.determination)
    request.idempotencyKey = RecordDesk.newKey()
    return request
  }

  func determine(
    _ desk: RecordDesk, _ request: Consent_V1_RecordDeidentificationRequest
  ) async throws -> Consent_V1_RecordDeidentificationResponse {
    try await ConsentService.recordDeidentification(desk.service, request, by: desk.caller)
  }

  func shown(_ desk: RecordDesk) async throws -> Consent_V1_GetImageResponse {
    var request = Consent_V1_GetImageRequest()
    request.image = RecordDesk.key("1.2.3.5")
    return try await ConsentService.getImage(desk.service, request, by: desk.caller).response
  }

  @Test func aProvenCopyNamesNeitherPatientNorSource() async throws {
    let desk = try await desk()
    let answer = try await determine(desk, request())
    #expect(answer.inForce && answer.reasons.isEmpty)
    let image = try await shown(desk)
    #expect(image.image.identification == .determinedDeidentified)
    #expect(image.image.determinationID == answer.determinationID)
    #expect(image.image.patientID.isEmpty && image.image.fields.sources.isEmpty)
    #expect(image.grants.isEmpty)
  }

  @Test func aMissingFindingIsRecordedAndNotInForce() async throws {
    let desk = try await desk()
    let unproven = try await determine(desk, request { $0.noBurnedInText = .unspecified })
    #expect(!unproven.inForce && unproven.reasons.map(\.reason) == [.deidUnproven])
    #expect(try await shown(desk).image.identification == .claimedDeidentified)
    let face = try await determine(desk, request { $0.noRecognizableFeatures = .no })
    #expect(!face.inForce)
  }

  @Test func aWithdrawnDeterminationHasEnded() async throws {
    let desk = try await desk()
    let id = try await determine(desk, request()).determinationID
    var withdrawal = Consent_V1_WithdrawDeidentificationRequest()
    withdrawal.determinationID = id
    withdrawal.note = "a name was found in the pixels"
    withdrawal.idempotencyKey = "w1"
    _ = try await ConsentService.withdrawDeidentification(
      desk.service, withdrawal, by: desk.caller)
    #expect(try await shown(desk).image.identification == .determinationEnded)
    withdrawal.idempotencyKey = "w2"
    let again = withdrawal
    try await expectRefused(desk) {
      try await ConsentService.withdrawDeidentification(desk.service, again, by: desk.caller)
    }
    withdrawal.note = ""
    withdrawal.determinationID = "x"
    let bad = withdrawal
    for field in ["note", "determination_id"] {
      try await expectRefused(desk, naming: field) {
        try await ConsentService.withdrawDeidentification(desk.service, bad, by: desk.caller)
      }
    }
  }

  @Test func badInputIsRefusedByField() async throws {
    let desk = try await desk()
    let bad: [(String, Consent_V1_RecordDeidentificationRequest)] = [
      ("determination", .with { $0.idempotencyKey = "k" }),
      ("determination.image", request("1.2.3.4")),
      ("determination.image", request("9.9.9")),
      ("determination.method", request { $0.method = .unspecified }),
      ("determination.determined_by", request { $0.determinedBy = "" }),
      ("determination.determined", request { $0.clearDetermined() }),
      (
        "determination.determined",
        request { $0.determined.localDay = RecordDesk.day("2026-03-11") }
      ),
      ("determination.valid_through", request { $0.validThrough = RecordDesk.day("2026-03-01") }),
      ("determination.document_ids", request { $0.documentIds = ["d"] }),
    ]
    for (field, request) in bad {
      try await expectRefused(desk, naming: field) { try await determine(desk, request) }
    }
  }
}
