import ConsentCore
import ConsentProto
import SwiftProtobuf
import Testing

@testable import ConsentServer

@Suite struct PatientTests {
  @Test func aPatientComesOfAgeAtLocalMidnight() async throws {
    let desk = try await RecordDesk()
    var request = Consent_V1_RegisterPatientRequest()
    request.fields = RecordDesk.fields("P-2002", born: "2008-09-30")
    request.idempotencyKey = "k"
    let answer = try await ConsentService.registerPatient(desk.service, request, by: desk.caller)
    #expect(answer.patient.version == 1)
    #expect(answer.patient.majorityAt == Google_Protobuf_Timestamp("2026-09-30T05:00:00Z"))
    #expect(answer.position.position == 1)
  }

  @Test func anIdentifierIsRegisteredOnce() async throws {
    let desk = try await RecordDesk()
    try await desk.patient("P-1")
    try await expectRefused(desk) { try await desk.patient("P-1") }
  }

  @Test func aCorrectionIsANewVersionAndNeedsTheNewestOne() async throws {
    let desk = try await RecordDesk()
    let id = try await desk.patient("P-1")
    var request = Consent_V1_UpdatePatientRequest()
    request.patient.identifier = RecordDesk.identifier("P-1")
    request.fields = RecordDesk.fields("P-1", born: "1971-05-05", name: "Other Name")
    request.expectedVersion = 1
    request.idempotencyKey = "u1"
    let answer = try await ConsentService.updatePatient(desk.service, request, by: desk.caller)
    #expect(answer.patient.patientID == id && answer.patient.version == 2)
    #expect(answer.patient.fields.displayName == "Other Name")
    request.idempotencyKey = "u2"
    let stale = request
    try await expectRefused(desk) {
      try await ConsentService.updatePatient(desk.service, stale, by: desk.caller)
    }
  }

  @Test func aCorrectionCannotTakeAnothersIdentifier() async throws {
    let desk = try await RecordDesk()
    try await desk.patient("P-1")
    let other = try await desk.patient("P-2")
    var request = Consent_V1_UpdatePatientRequest()
    request.patient.patientID = other
    request.fields = RecordDesk.fields("P-1")
    request.idempotencyKey = "u"
    let taking = request
    try await expectRefused(desk) {
      try await ConsentService.updatePatient(desk.service, taking, by: desk.caller)
    }
  }

  @Test func patientsAreFoundByIdByIdentifierAndByNameWithBirthDate() async throws {
    let desk = try await RecordDesk()
    let id = try await desk.patient("P-1", born: "1970-05-05", name: "Jane Doe")
    try await desk.patient("P-2", born: "1970-05-06", name: "Jane Doe")
    func find(_ by: Consent_V1_FindPatientsRequest.OneOf_By) async throws -> [String] {
      var request = Consent_V1_FindPatientsRequest()
      request.by = by
      return try await ConsentService.findPatients(desk.service, request, by: desk.caller).response
        .patients.map(\.patientID)
    }
    var name = Consent_V1_NameAndBirthDate()
    name.displayName = "JANE DOE"
    name.birthDate = RecordDesk.day("1970-05-05")
    #expect(try await find(.patientID(id)) == [id])
    #expect(try await find(.identifier(RecordDesk.identifier("P-1"))) == [id])
    #expect(try await find(.nameAndBirthDate(name)) == [id])
    #expect(try await find(.identifier(RecordDesk.identifier("P-3"))).isEmpty)
  }

  @Test func findingNeedsAQuestionAndAnIssuer() async throws {
    let desk = try await RecordDesk()
    try await expectRefused(desk, naming: "by") {
      try await ConsentService.findPatients(desk.service, .init(), by: desk.caller).response
    }
    var request = Consent_V1_FindPatientsRequest()
    request.identifier.value = "P-1"
    let asked = request
    try await expectRefused(desk, naming: "identifier.system") {
      try await ConsentService.findPatients(desk.service, asked, by: desk.caller).response
    }
  }

  func merge(
    _ desk: RecordDesk, _ survivor: String, _ merged: String
  ) async throws -> Consent_V1_MergePatientsResponse {
    var request = Consent_V1_MergePatientsRequest()
    request.survivingPatientID = survivor
    request.mergedPatientID = merged
    request.note = "same person"
    request.idempotencyKey = RecordDesk.newKey()
    return try await ConsentService.mergePatients(desk.service, request, by: desk.caller)
  }

  @Test func aMergeIsToldOnBothAndCanBeUndone() async throws {
    let desk = try await RecordDesk()
    let one = try await desk.patient("P-1")
    let two = try await desk.patient("P-2")
    let merged = try await merge(desk, one, two)
    #expect(merged.patient.mergedFrom == [two])
    #expect(try await desk.facts(of: one).merges.map(\.note) == ["same person"])
    let made = try await desk.record(two).instrument
    var request = Consent_V1_UnmergePatientsRequest()
    request.mergeID = merged.mergeID
    request.idempotencyKey = "undo"
    request.note = "two persons after all"
    let undone = try await ConsentService.unmergePatients(desk.service, request, by: desk.caller)
    #expect(undone.unassigned.map(\.id) == [made.instrumentID])
    #expect(try await desk.facts(of: one).unmerges.map(\.note) == ["two persons after all"])
    var assignment = Consent_V1_RecordAssignment()
    assignment.record = undone.unassigned[0]
    assignment.patientID = two
    request.assignments = [assignment]
    request.idempotencyKey = "assign"
    let assigned = try await ConsentService.unmergePatients(desk.service, request, by: desk.caller)
    #expect(assigned.unassigned.isEmpty)
  }

  @Test func aNoteTooLongIsRefused() async throws {
    let desk = try await RecordDesk()
    var request = Consent_V1_MergePatientsRequest()
    request.survivingPatientID = try await desk.patient("P-1")
    request.mergedPatientID = try await desk.patient("P-2")
    request.note = String(repeating: "n", count: 100_000)
    request.idempotencyKey = "merge"
    let long = request
    try await expectRefused(desk, naming: "note") {
      try await ConsentService.mergePatients(desk.service, long, by: desk.caller)
    }
  }

  @Test func aPatientIsNotMergedIntoItself() async throws {
    let desk = try await RecordDesk()
    let one = try await desk.patient("P-1")
    try await expectRefused(desk, naming: "merged_patient_id") {
      try await merge(desk, one, one)
    }
    try await expectRefused(desk, naming: "merged_patient_id") {
      try await merge(desk, one, PatientID.random().description)
    }
  }

  @Test func aHistoryIsPagedInTheOrderOfRecording() async throws {
    let desk = try await RecordDesk()
    let id = try await desk.patient("P-1", name: "Quillfeather")
    try await desk.image("1.2.3.4", of: id)
    let paper = try await desk.record(id)
    _ = try await desk.revoke(desk.revocation(id, paper.instrument.grants.map(\.grantID)))
    var request = Consent_V1_GetPatientHistoryRequest()
    request.patient.patientID = id
    request.pageSize = 3
    let first = try await ConsentService.getPatientHistory(desk.service, request, by: desk.caller)
      .response
    #expect(first.entries.map(\.record.kind) == [.patient, .image, .instrument])
    #expect(first.entries.allSatisfy { !$0.summary.contains("Quillfeather") })
    #expect(first.entries.map(\.position.position) == [1, 2, 3])
    request.pageToken = first.nextPageToken
    let rest = try await ConsentService.getPatientHistory(desk.service, request, by: desk.caller)
      .response
    #expect(rest.entries.map(\.record.kind) == [.revocation])
    #expect(rest.nextPageToken.isEmpty)
    request.patient.patientID = PatientID.random().description
    request.pageToken = ""
    let unknown = request
    try await expectRefused(desk) {
      try await ConsentService.getPatientHistory(desk.service, unknown, by: desk.caller).response
    }
  }
}
