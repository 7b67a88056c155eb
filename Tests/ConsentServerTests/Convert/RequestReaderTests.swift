import ConsentCore
import ConsentProto
import Foundation
import SwiftProtobuf
import Testing

@testable import ConsentServer

/// Each bad field names itself, and all of them at once.
struct RequestReaderTests {
  private func violations(_ body: (inout RequestReader) -> Void) -> [String] {
    var reader = RequestReader()
    body(&reader)
    return reader.violations.map(\.field)
  }

  static let asked: Consent_V1_UseRequest = {
    var request = Consent_V1_UseRequest()
    request.image.sopInstanceUid = "1.2.3"
    request.use = .education
    request.audience = .external
    request.channel = .publication
    request.actor.user = RecordDesk.identifier("u1", system: "urn:staff")
    request.actor.roleClass = .clinician
    request.recipient = RecordDesk.journal
    return request
  }()

  typealias Spoil = @Sendable (inout Consent_V1_UseRequest) -> Void

  static let spoiled: [(String, Spoil)] = [
    ("image", { $0.clearImage() }),
    ("image", { $0.image = Consent_V1_ImageKey() }),
    ("image.sop_instance_uid", { $0.image.sopInstanceUid = "1.2.x" }),
    ("image.sop_instance_uid", { $0.image.sopInstanceUid = "1.02" }),
    ("image.sha256", { $0.image.sha256 = Data(count: 31) }),
    ("use", { $0.use = .unspecified }),
    ("use", { $0.use = .UNRECOGNIZED(99) }),
    ("audience", { $0.audience = .unspecified }),
    ("channel", { $0.channel = .unspecified }),
    ("channel", { $0.channel = .UNRECOGNIZED(300) }),
    ("actor", { $0.clearActor() }),
    ("actor.user", { $0.actor.clearUser() }),
    ("actor.user.system", { $0.actor.user.system = "" }),
    ("actor.user.value", { $0.actor.user.value = "a\u{0}b" }),
    ("actor.user.value", { $0.actor.user.value = "a\u{85}b" }),
    ("actor.user.value", { $0.actor.user.value = String(repeating: "x", count: 1_025) }),
    ("actor.role_class", { $0.actor.roleClass = .unspecified }),
    ("actor.npi", { $0.actor.npi = "12345" }),
    ("actor.member_of[0].system", { $0.actor.memberOf = [RecordDesk.identifier("x", system: "")] }),
    ("recipient", { $0.clearRecipient() }),
    ("recipient.kind", { $0.recipient.kind = .unspecified }),
    ("patient.patient_id", { $0.patient.patientID = "no-uuid" }),
    ("patient", { $0.patient = Consent_V1_PatientReference() }),
    ("emergency.statement", { $0.emergency = Consent_V1_EmergencyAttestation() }),
    (
      "emergency.attested_at",
      {
        $0.emergency.statement = "now"
        $0.emergency.attestedAt = Google_Protobuf_Timestamp(seconds: 99_999_999_999, nanos: 0)
      }
    ),
    (
      "emergency.attested_at",
      {
        $0.emergency.statement = "now"
        $0.emergency.attestedAt = Google_Protobuf_Timestamp(seconds: 0, nanos: -1)
      }
    ),
    ("workstation", { $0.workstation = "line\nbreak" }),
  ]

  @Test(arguments: spoiled.indices)
  func aBadFieldOfAQuestionNamesItself(index: Int) {
    let (field, spoil) = Self.spoiled[index]
    var request = Self.asked
    spoil(&request)
    let named = violations { _ = $0.completeQuestion(request, now: Instant(microseconds: 0)) }
    #expect(named == [field])
  }

  @Test func aQuestionWithoutFaultLacksNothing() throws {
    let question = try RequestReader.read {
      $0.completeQuestion(Self.asked, now: Instant(microseconds: 0))
    }
    #expect(question.request.missingFields.isEmpty)
    #expect(Consent_V1_UseRequest(question.request).image == Self.asked.image)
  }

  @Test func allFaultsAreToldAtOnceAndTheFirstReasonLeads() {
    var request = Self.asked
    request.use = .unspecified
    request.channel = .unspecified
    request.image.sopInstanceUid = "x"
    #expect(throws: ServiceError.self) {
      try RequestReader.read { $0.completeQuestion(request, now: Instant(microseconds: 0)) }
    }
    do {
      _ = try RequestReader.read { $0.completeQuestion(request, now: Instant(microseconds: 0)) }
    } catch {
      guard case .invalidArgument(let fields, let reason) = error else {
        Issue.record("\(error)")
        return
      }
      #expect(Set(fields.map(\.field)) == ["image.sop_instance_uid", "use", "channel"])
      #expect(reason == "PURPOSE_REQUIRED")
    }
  }

  @Test(arguments: [
    (2026, 2, 29, false), (2024, 2, 29, true), (0, 1, 1, false), (10_000, 1, 1, false),
    (1, 1, 1, true), (2026, 13, 1, false), (2026, 4, 31, false), (1900, 2, 29, false),
  ])
  func onlyDaysOfTheCalendarAreRead(year: Int32, month: Int32, day: Int32, exists: Bool) {
    var proto = Consent_V1_LocalDay()
    (proto.year, proto.month, proto.day) = (year, month, day)
    var reader = RequestReader()
    let read = reader.localDay(proto, "day")
    #expect((read != nil) == exists)
    #expect(reader.violations.isEmpty == exists)
    if let read { #expect(Consent_V1_LocalDay(read) == proto) }
  }

  @Test(arguments: [Int64(-1), 0, 1, -1_000_000, 999_999, -62_135_596_800_000_000])
  func instantsComeBackAsTheyWere(microseconds: Int64) {
    let instant = Instant(microseconds: microseconds)
    var reader = RequestReader()
    let stamp = Google_Protobuf_Timestamp(instant)
    #expect(stamp.nanos >= 0)
    #expect(reader.instant(stamp, "at") == instant)
  }

  @Test func aPositionHasAChainOf32BytesOrNone() {
    for (count, isRead) in [(0, true), (31, false), (32, true), (33, false)] {
      var proto = Consent_V1_FeedPosition()
      proto.position = 5
      proto.chain = Data(count: count)
      var reader = RequestReader()
      #expect((reader.position(proto, "min_position") != nil) == isRead)
    }
  }

  @Test func aTokenOfAnotherQuestionIsRefused() {
    var one = Consent_V1_DenialsRequest()
    let two = one
    one.withPreviews = true
    let token = PageToken(
      place: ReportPage.Place(offset: 3, position: 9),
      question: PageToken<ReportPage.Place>.question(one)
    ).text
    var first = one
    first.pageToken = token
    var second = two
    second.pageToken = token
    #expect(violations { _ = $0.page(first) } == [])
    #expect(violations { _ = $0.page(second) } == ["page_token"])
    second.pageToken = "garbage"
    #expect(violations { _ = $0.page(second) } == ["page_token"])
  }

  @Test func violationsAreBounded() {
    let keys = [Consent_V1_ImageKey](repeating: Consent_V1_ImageKey(), count: 900)
    #expect(violations { _ = $0.imageKeys(keys, "images") }.count == 64)
    let many = [Consent_V1_ImageKey](repeating: Consent_V1_ImageKey(), count: 1_001)
    #expect(violations { _ = $0.imageKeys(many, "images") } == ["images"])
  }
}
