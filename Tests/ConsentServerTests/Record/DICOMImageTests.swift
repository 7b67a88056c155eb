import ConsentCore
import ConsentProto
import Foundation
import Testing

@testable import ConsentServer

@Suite struct DICOMImageTests {
  /// Headers of the public files that pydicom carries, without pixels, as DICOM JSON Model.
  static var headers: [String: String] {
    get throws {
      let folder = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "Data")
      let files = try FileManager.default.contentsOfDirectory(
        at: folder, includingPropertiesForKeys: nil)
      return Dictionary(
        uniqueKeysWithValues: try files.map {
          ($0.lastPathComponent, try String(contentsOf: $0, encoding: .utf8))
        })
    }
  }

  static var calendar: LocalCalendar {
    get throws { try #require(LocalCalendar(timeZone: "America/Chicago")) }
  }

  static func read(_ json: String) throws -> ImageRecord {
    try DICOMImage(json: json, recordID: .random(), calendar: calendar).record
  }

  @Test func everyRealHeaderIsRegisteredWithItsOwnIdentity() async throws {
    let desk = try await RecordDesk()
    let id = try await desk.patient()
    let headers = try DICOMImageTests.headers.sorted { $0.key < $1.key }
    #expect(headers.count == 12)
    let outcomes = try await desk.register(
      headers.map { RecordDesk.dicom($0.value) }, patient: id)
    for (header, outcome) in zip(headers, outcomes) {
      #expect(outcome.outcome == .registered, "\(header.key): \(outcome.field)")
    }
  }

  @Test func aCTStatesUIDsModalityAndAnInstantOfAcquisition() throws {
    let image = try DICOMImageTests.read(try #require(try DICOMImageTests.headers["CT_small.json"]))
    #expect(image.key.text == "dicom:1.3.6.1.4.1.5962.1.1.1.1.1.20040119072730.12322")
    #expect(image.studyUID == "1.3.6.1.4.1.5962.1.2.1.20040119072730.12322")
    #expect(image.seriesUID == "1.3.6.1.4.1.5962.1.3.1.1.20040119072730.12322")
    #expect(image.sopClassUID == "1.2.840.10008.5.1.4.1.1.2")
    #expect(image.modality == "CT" && image.kind == .dicomInstance)
    #expect(image.acquired == Instant("1997-04-30T16:29:36Z"))
    #expect(image.acquiredDay == LocalDay(year: 1997, month: 4, day: 30))
    #expect(image.accession == nil && image.laterality == nil)
  }

  @Test func withoutOffsetOnlyTheLocalDayIsKnown() throws {
    let name = "J2K_pixelrep_mismatch.json"
    let image = try DICOMImageTests.read(try #require(try DICOMImageTests.headers[name]))
    #expect(image.acquired == nil)
    #expect(image.acquiredDay == LocalDay(year: 2019, month: 10, day: 19))
    #expect(image.bodyPart == "HEAD")
  }

  @Test func emptyAcquisitionFallsBackToContentSeriesAndStudy() throws {
    let image = try DICOMImageTests.read(try #require(try DICOMImageTests.headers["MR_small.json"]))
    #expect(image.acquiredDay == LocalDay(year: 2004, month: 8, day: 26))
  }

  @Test func aDateWithDotsIsUnknown() throws {
    let name = "ExplVR_BigEnd.json"
    let image = try DICOMImageTests.read(try #require(try DICOMImageTests.headers[name]))
    #expect(image.acquiredDay == nil && image.acquired == nil)
    #expect(image.modality == "US")
  }

  @Test func aClaimOfRemovedIdentityIsTakenAsAClaim() throws {
    let image = try DICOMImageTests.read(try #require(try DICOMImageTests.headers["693_J2KI.json"]))
    #expect(image.claims.identityRemoved == .yes)
    #expect(image.claims.burnedInAnnotation == .absent)
    // DERIVED in Image Type names no source, so it makes no derivative.
    #expect(image.kind == .dicomInstance)
  }

  static func dataset(_ attributes: [String: String]) -> String {
    let required = [
      "00080018": #"{"vr":"UI","Value":["1.2.3.4"]}"#,
      "0020000D": #"{"vr":"UI","Value":["1.2.3"]}"#,
    ]
    let all = required.merging(attributes) { $1 }
    return "{" + all.map { "\"\($0)\":\($1)" }.joined(separator: ",") + "}"
  }

  static func value(_ text: String) -> String { #"{"vr":"LO","Value":["\#(text)"]}"# }

  @Test func attributesAreReadByTheirTags() throws {
    let image = try DICOMImageTests.read(
      DICOMImageTests.dataset([
        "00080050": DICOMImageTests.value("A-77 "),
        "00080051": #"{"vr":"SQ","Value":[{"00400032":{"vr":"UT","Value":["1.2.99"]}}]}"#,
        "00200062": DICOMImageTests.value("L"),
        "00280301": DICOMImageTests.value("NO"),
        "00280302": DICOMImageTests.value("YES"),
        "0008002A": DICOMImageTests.value("20260301233000.5-0600"),
      ]))
    #expect(image.accession == Identifier(system: "1.2.99", value: "A-77"))
    #expect(image.laterality == "L")
    #expect(image.claims.burnedInAnnotation == .no)
    #expect(image.claims.recognizableVisualFeatures == .yes)
    #expect(image.acquired == Instant("2026-03-02T05:30:00Z").adding(microseconds: 500_000))
    #expect(image.acquiredDay == LocalDay(year: 2026, month: 3, day: 1))
  }

  @Test(arguments: [
    ("00080060", "null"), ("00080060", "5"), ("00080060", #"{"vr":"CS"}"#),
    ("00080060", #"{"vr":"CS","Value":[]}"#), ("00080060", #"{"vr":"CS","Value":[null]}"#),
    ("00080060", #"{"vr":"CS","Value":[7]}"#), ("00080060", #"{"vr":"CS","Value":[{"a":1}]}"#),
    ("00080060", #"{"vr":"CS","Value":["C\u0000R"]}"#),
    ("00080022", #"{"vr":"DA","Value":["20260231"]}"#),
    ("00080022", #"{"vr":"DA","Value":["99999999"]}"#), ("0008002A", #"{"vr":"DT","Value":["+"]}"#),
    ("00080032", #"{"vr":"TM","Value":["99"]}"#), ("00080201", #"{"vr":"SH","Value":["+9999"]}"#),
    ("00080016", #"{"vr":"UI","Value":["x"]}"#), ("00080051", #"{"vr":"SQ","Value":["x"]}"#),
  ])
  func anUnreadableOptionalAttributeIsLeftOut(_ tag: String, _ value: String) throws {
    let image = try DICOMImageTests.read(DICOMImageTests.dataset([tag: value]))
    #expect(image.modality == nil && image.acquired == nil && image.sopClassUID == nil)
  }

  @Test(arguments: [
    ("", "dicom_json"), ("{", "dicom_json"), ("[]", "dicom_json"), ("\"", "dicom_json"),
    ("null", "dicom_json"), ("{}", "dicom_json (0008,0018)"),
    (#"{"00080018": 5}"#, "dicom_json (0008,0018)"),
    (#"{"00080018":{"vr":"UI"}}"#, "dicom_json (0008,0018)"),
    (#"{"00080018":{"vr":"UI","Value":["1.02.3"]}}"#, "dicom_json (0008,0018)"),
    (#"{"00080018":{"vr":"UI","Value":[5]}}"#, "dicom_json (0008,0018)"),
    (#"{"00080018":{"vr":"UI","Value":["1.2.3"]}}"#, "dicom_json (0020,000D)"),
    (dataset(["0020000D": value("1..2")]), "dicom_json (0020,000D)"),
    (dataset(["0020000E": value("series")]), "dicom_json (0020,000E)"),
    (String(repeating: "[", count: 100_000), "dicom_json"),
    (String(repeating: #"{"a":"#, count: 100_000), "dicom_json"),
    (String(repeating: "x", count: 2_000_000), "dicom_json"),
    (String(repeating: "\u{FF}", count: 1_000), "dicom_json"),
  ])
  func aHostileTextIsRefusedByName(_ json: String, _ field: String) throws {
    do {
      _ = try DICOMImageTests.read(json)
      Issue.record("was read")
    } catch let fault as DICOMImage.Fault {
      #expect(fault.field == field)
    }
  }

  @Test func anEmptySeriesIsNone() throws {
    let image = try DICOMImageTests.read(
      DICOMImageTests.dataset(["0020000E": DICOMImageTests.value(" ")]))
    #expect(image.seriesUID == nil)
  }

  @Test func depthIsCountedOutsideOfStrings() {
    #expect(JSONNesting.isDeeper(than: 2, in: "[[[".utf8))
    #expect(!JSONNesting.isDeeper(than: 2, in: "[[]][[]]".utf8))
    #expect(!JSONNesting.isDeeper(than: 1, in: #"["[[[\"[[["]"#.utf8))
  }

  @Test func anyCutOfARealHeaderIsReadOrRefusedAndNeverTraps() throws {
    let whole = try #require(try DICOMImageTests.headers["CT_small.json"])
    for end in stride(from: 0, to: whole.count, by: 37) {
      _ = try? DICOMImageTests.read(String(whole.prefix(end)))
    }
  }

  @Test func aPatientIDWithIssuerMustBeThePatients() async throws {
    let desk = try await RecordDesk()
    let id = try await desk.patient("P-1")
    try await desk.patient("P-2")
    func outcome(_ uid: String, _ attributes: [String: String]) async throws -> String {
      let all = attributes.merging(["00080018": DICOMImageTests.value(uid)]) { $1 }
      let outcomes = try await desk.register(
        [RecordDesk.dicom(DICOMImageTests.dataset(all))], patient: id)
      return outcomes[0].outcome == .registered ? "registered" : outcomes[0].field
    }
    let issuer = DICOMImageTests.value(RecordDesk.system)
    let other = "images[0].dicom_json (0010,0020)"
    #expect(
      try await outcome("1.1", ["00100020": DICOMImageTests.value("P-1"), "00100021": issuer])
        == "registered")
    #expect(
      try await outcome("1.2", ["00100020": DICOMImageTests.value("P-2"), "00100021": issuer])
        == other)
    #expect(try await outcome("1.3", ["00100020": DICOMImageTests.value("P-2")]) == other)
    #expect(try await outcome("1.4", ["00100020": DICOMImageTests.value("X-9")]) == "registered")
  }

  @Test func aDatasetWithIssuerNamesItsPatient() async throws {
    let desk = try await RecordDesk()
    try await desk.patient("P-1")
    let dataset = DICOMImageTests.dataset([
      "00100020": DICOMImageTests.value("P-1"),
      "00100021": DICOMImageTests.value(RecordDesk.system),
    ])
    let outcomes = try await desk.register([RecordDesk.dicom(dataset)], patient: nil)
    #expect(outcomes.map(\.outcome) == [.registered])
    let unknown = DICOMImageTests.dataset([
      "00100020": DICOMImageTests.value("P-9"),
      "00100021": DICOMImageTests.value(RecordDesk.system),
    ])
    let refused = try await desk.register([RecordDesk.dicom(unknown)], patient: nil)
    #expect(refused.map(\.field) == ["images[0].dicom_json (0010,0020)"])
  }
}
