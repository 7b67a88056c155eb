import ConsentCore
import ConsentProto
import Foundation
import SwiftProtobuf
import Testing

@testable import ConsentServer

@Suite struct ImageTests {
  @Test func theSameContentChangesNothingAndOtherContentIsAConflict() async throws {
    let desk = try await RecordDesk()
    let id = try await desk.patient()
    try await desk.image("1.2.3.4", of: id)
    let head = try await desk.head()
    let again = try await desk.register([RecordDesk.item("1.2.3.4")], patient: id)
    #expect(again.map(\.outcome) == [.alreadyRegistered] && again[0].version == 1)
    let other = try await desk.register(
      [RecordDesk.item("1.2.3.4") { $0.modality = "DX" }], patient: id)
    #expect(other.map(\.outcome) == [.conflict])
    #expect(other[0].field == "images[0].fields.modality")
    #expect(try await desk.head() == head)
  }

  @Test func eachItemStandsForItself() async throws {
    let desk = try await RecordDesk()
    let id = try await desk.patient()
    let elsewhere = try await desk.patient("P-2")
    var ofOther = RecordDesk.item("1.2.3.7")
    ofOther.patient.patientID = elsewhere
    var ofNobody = RecordDesk.item("1.2.3.8")
    ofNobody.patient.identifier = RecordDesk.identifier("P-404")
    let outcomes = try await desk.register(
      [
        RecordDesk.item("1.2.3.4"), RecordDesk.item("1.2.3.4"),
        RecordDesk.item("1.2.3.5") { $0.studyInstanceUid = "1..2" }, ofOther, ofNobody,
        Consent_V1_ImageRegistration(),
      ], patient: id)
    #expect(
      outcomes.map(\.outcome) == [
        .registered, .alreadyRegistered, .invalid, .registered, .invalid, .invalid,
      ])
    #expect(
      outcomes.map(\.field) == [
        "", "", "images[2].fields.study_instance_uid", "", "images[4].patient", "images[5].fields",
      ])
    #expect(outcomes[2].image == RecordDesk.key("1.2.3.5"))
    #expect(try await desk.events().suffix(2) == [.imageRegistered, .imageRegistered])
  }

  static let bad: [(String, @Sendable (inout Consent_V1_ImageFields) -> Void)] = [
    ("fields.study_instance_uid", { $0.studyInstanceUid = "" }),
    ("fields.study_instance_uid", { $0.studyInstanceUid = "1..2" }),
    ("fields.series_instance_uid", { $0.seriesInstanceUid = "x" }),
    ("fields.key.sha256", { $0.key.sha256 = Data("short".utf8) }),
    ("fields.key", { $0.clearKey() }),
    ("fields.modality", { $0.modality = "C\0R" }),
    ("fields.department", { $0.department = String(repeating: "x", count: 1_000_000) }),
    ("fields.kind", { $0.kind = .UNRECOGNIZED(77) }),
    ("fields.sources", { $0.kind = .derivative }),
    (
      "fields.sources[0]",
      {
        $0.kind = .derivative; $0.sources = [RecordDesk.key("9.9")]
      }
    ),
    ("fields.acquired_on", { $0.acquiredOn = RecordDesk.day("2026-02-30") }),
    ("fields.acquired_on", { $0.acquiredOn = RecordDesk.day("2026-04-01") }),
    ("fields.fhir_ids", { $0.fhirIds = ["ImagingStudy/1", "Media/2"] }),
    ("fields.accession.system", { $0.accession.value = "A1" }),
    ("fields.part2.program_unit", { $0.part2 = Consent_V1_Part2Mark() }),
  ]

  @Test(arguments: bad.indices)
  func aBadImageIsRefusedByField(_ index: Int) async throws {
    let desk = try await RecordDesk()
    let id = try await desk.patient()
    let head = try await desk.head()
    let (field, change) = ImageTests.bad[index]
    let outcomes = try await desk.register([RecordDesk.item("1.2.3.4", change)], patient: id)
    #expect(outcomes.map(\.outcome) == [.invalid])
    #expect(outcomes[0].field == "images[0]." + field)
    #expect(!outcomes[0].sentence.isEmpty)
    #expect(try await desk.head() == head)
  }

  @Test func anImageWithoutPatientIsRefusedAndSoIsAnUnknownPatientOfTheRequest() async throws {
    let desk = try await RecordDesk()
    try await desk.patient()
    let head = try await desk.head()
    let outcomes = try await desk.register([RecordDesk.item("1.2.3.4")], patient: nil)
    #expect(outcomes.map(\.field) == ["images[0].patient"])
    #expect(try await desk.head() == head)
    try await expectRefused(desk) {
      try await desk.register(
        [RecordDesk.item("1.2.3.4")], patient: PatientID.random().description)
    }
    try await expectRefused(desk, naming: "images") {
      try await desk.register([], patient: nil)
    }
  }

  @Test func aThousandImagesAreOneChange() async throws {
    let desk = try await RecordDesk()
    let id = try await desk.patient()
    let items = (1...1_000).map { RecordDesk.item("1.2.840.\($0)") }
    let outcomes = try await desk.register(items, patient: id)
    #expect(outcomes.allSatisfy { $0.outcome == .registered && $0.version == 1 })
    #expect(try await desk.head() == 1_001)
    try await expectRefused(desk, naming: "images") {
      try await desk.register(items + [RecordDesk.item("1.2.841.1")], patient: id)
    }
  }

  @Test func aDerivativeMayComeBeforeItsSourceInARequest() async throws {
    let desk = try await RecordDesk()
    let id = try await desk.patient()
    let copy = RecordDesk.item("1.2.3.5") {
      $0.kind = .derivative
      $0.sources = [RecordDesk.key("1.2.3.4")]
    }
    let outcomes = try await desk.register([copy, RecordDesk.item("1.2.3.4")], patient: id)
    #expect(outcomes.map(\.outcome) == [.registered, .registered])
    var request = Consent_V1_GetImageRequest()
    request.image = RecordDesk.key("1.2.3.4")
    let shown = try await ConsentService.getImage(desk.service, request, by: desk.caller).response
    #expect(shown.derivatives == [RecordDesk.key("1.2.3.5")])
  }

  @Test func anImageIsShownWithTheGrantsThatReachIt() async throws {
    let desk = try await RecordDesk()
    let id = try await desk.patient()
    try await desk.image("1.2.3.4", of: id)
    try await desk.image("1.2.3.5", of: id, study: "1.2.9")
    let grants = try await desk.record(
      id,
      RecordDesk.paper([
        RecordDesk.terms { $0.scope.image = RecordDesk.key("1.2.3.4") },
        RecordDesk.terms { $0.scope.studyInstanceUid = "1.2.9" },
      ])
    ).instrument.grants
    var request = Consent_V1_GetImageRequest()
    request.image = RecordDesk.key("1.2.3.4")
    let shown = try await ConsentService.getImage(desk.service, request, by: desk.caller).response
    #expect(shown.grants.map(\.grantID) == [grants[0].grantID])
    #expect(shown.grants.map(\.state) == [.active])
    #expect(shown.image.identification == .identifiable && shown.image.patientID == id)
    request.image = RecordDesk.key("9.9.9")
    let unknown = request
    try await expectRefused(desk) {
      try await ConsentService.getImage(desk.service, unknown, by: desk.caller).response
    }
  }

  @Test func imagesAreListedByPatientStudySeriesAccessionAndPeriodInPages() async throws {
    let desk = try await RecordDesk()
    let id = try await desk.patient()
    try await desk.image("1.2.3.4", of: id)
    try await desk.image("1.2.3.5", of: id) { $0.accession = RecordDesk.identifier("A1") }
    desk.clock.set("2026-03-11T15:00:00Z")
    try await desk.image("1.2.3.6", of: id, study: "1.2.9")
    func list(
      _ change: (inout Consent_V1_ListImagesRequest) -> Void
    ) async throws -> Consent_V1_ListImagesResponse {
      var request = Consent_V1_ListImagesRequest()
      change(&request)
      return try await ConsentService.listImages(desk.service, request, by: desk.caller).response
    }
    func uids(_ change: (inout Consent_V1_ListImagesRequest) -> Void) async throws -> [String] {
      try await list(change).images.map(\.fields.key.sopInstanceUid)
    }
    #expect(try await uids { $0.patient.patientID = id } == ["1.2.3.4", "1.2.3.5", "1.2.3.6"])
    #expect(try await uids { $0.studyInstanceUid = "1.2.3" } == ["1.2.3.4", "1.2.3.5"])
    #expect(try await uids { $0.seriesInstanceUid = "1.2.9.1" } == ["1.2.3.6"])
    #expect(try await uids { $0.accession = RecordDesk.identifier("A1") } == ["1.2.3.5"])
    #expect(
      try await uids {
        $0.patient.patientID = id
        $0.registered.from = Google_Protobuf_Timestamp("2026-03-11T00:00:00Z")
      } == ["1.2.3.6"])
    let first = try await list {
      $0.patient.patientID = id
      $0.pageSize = 2
    }
    #expect(first.images.count == 2)
    let rest = try await list {
      $0.patient.patientID = id
      $0.pageSize = 2
      $0.pageToken = first.nextPageToken
    }
    #expect(rest.images.map(\.fields.key.sopInstanceUid) == ["1.2.3.6"])
    #expect(rest.nextPageToken.isEmpty)
    try await expectRefused(desk, naming: "patient") { try await list { _ in } }
    try await expectRefused(desk, naming: "page_token") {
      try await list {
        $0.studyInstanceUid = "1.2.3"
        $0.pageToken = first.nextPageToken
      }
    }
  }

  @Test func anOriginalMayComeAfterWhatWasMadeOfItButADerivativeMayNot() async throws {
    let desk = try await RecordDesk()
    let id = try await desk.patient()
    let outcomes = try await desk.register(
      [
        RecordDesk.item("1.2.3.6") {
          $0.kind = .derivative
          $0.sources = [RecordDesk.key("1.2.3.5")]
        },
        RecordDesk.item("1.2.3.5") {
          $0.kind = .derivative
          $0.sources = [RecordDesk.key("1.2.3.4")]
        },
        RecordDesk.item("1.2.3.4"),
        RecordDesk.item("1.2.3.7") {
          $0.kind = .derivative
          $0.sources = [RecordDesk.key("1.2.3.4")]
        },
      ], patient: id)
    #expect(outcomes.map(\.outcome) == [.invalid, .registered, .registered, .registered])
  }

  func correct(
    _ desk: RecordDesk, _ corrections: [Consent_V1_ImageCorrection], note: String = "why"
  ) async throws -> [Consent_V1_ImageOutcome] {
    var request = Consent_V1_CorrectImagesRequest()
    request.corrections = corrections
    request.note = note
    request.idempotencyKey = RecordDesk.newKey()
    return try await ConsentService.correctImages(desk.service, request, by: desk.caller).outcomes
  }

  func correction(
    _ uid: String, version: UInt64 = 1,
    _ change: (inout Consent_V1_ImageFields) -> Void = { _ in }
  ) -> Consent_V1_ImageCorrection {
    var correction = Consent_V1_ImageCorrection()
    correction.expectedVersion = version
    correction.fields = RecordDesk.item(uid, change).fields
    return correction
  }

  @Test func aFilmUnderTheWrongPatientIsCorrected() async throws {
    let desk = try await RecordDesk()
    let wrong = try await desk.patient("P-1")
    let right = try await desk.patient("P-2")
    try await desk.image("1.2.3.4", of: wrong)
    try await desk.record(wrong)
    #expect(try await desk.check("1.2.3.4").effect == .permit)
    var item = correction("1.2.3.4")
    item.patient.patientID = right
    let outcomes = try await correct(desk, [item])
    #expect(outcomes.map(\.outcome) == [.corrected] && outcomes[0].version == 2)
    let versions = try await desk.facts(of: right).images.sorted { $0.version < $1.version }
    #expect(versions.map(\.note) == [nil, "why"])
    #expect(try await desk.check("1.2.3.4").effect == .deny)
    var request = Consent_V1_GetImageRequest()
    request.image = RecordDesk.key("1.2.3.4")
    let shown = try await ConsentService.getImage(desk.service, request, by: desk.caller).response
    #expect(shown.image.patientID == right && shown.image.version == 2)
  }

  @Test func aCorrectionNeedsTheNewestVersionAReasonAndARegisteredImage() async throws {
    let desk = try await RecordDesk()
    let id = try await desk.patient()
    try await desk.image("1.2.3.4", of: id)
    let head = try await desk.head()
    let outcomes = try await correct(
      desk,
      [
        correction("1.2.3.4", version: 7), correction("1.2.3.9"), correction("1.2.3.4"),
        correction("1.2.3.4") { $0.modality = "" },
      ])
    #expect(outcomes.map(\.outcome) == [.conflict, .unknown, .alreadyRegistered, .invalid])
    #expect(outcomes[0].field == "corrections[0].expected_version")
    #expect(try await desk.head() == head)
    try await expectRefused(desk, naming: "note") {
      try await correct(desk, [correction("1.2.3.4") { $0.modality = "DX" }], note: "")
    }
    try await expectRefused(desk, naming: "corrections") { try await correct(desk, []) }
  }

  @Test func aCallerWithoutThePart2RoleDoesNotTakeAMarkAway() async throws {
    var desk = try await RecordDesk()
    let id = try await desk.patient()
    desk.caller.limits.seesPart2 = true
    try await desk.image("1.2.3.4", of: id) {
      $0.part2.programUnit = RecordDesk.identifier("unit", system: "urn:unit")
    }
    desk.caller.limits.seesPart2 = false
    var request = Consent_V1_GetImageRequest()
    request.image = RecordDesk.key("1.2.3.4")
    let masked = try await ConsentService.getImage(desk.service, request, by: desk.caller).response
    #expect(!masked.image.fields.hasPart2)
    let again = try await desk.register([RecordDesk.item("1.2.3.4")], patient: id)
    #expect(again.map(\.outcome) == [.alreadyRegistered])
    let outcomes = try await correct(desk, [correction("1.2.3.4") { $0.modality = "DX" }])
    #expect(outcomes.map(\.outcome) == [.corrected])
    desk.caller.limits.seesPart2 = true
    let shown = try await ConsentService.getImage(desk.service, request, by: desk.caller).response
    #expect(shown.image.fields.part2.programUnit.value == "unit")
    #expect(shown.image.fields.modality == "DX")
  }
}
