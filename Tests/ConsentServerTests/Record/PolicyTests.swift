import ConsentCore
import ConsentProto
import SwiftProtobuf
import Testing

@testable import ConsentServer

@Suite struct PolicyTests {
  func set(
    _ desk: RecordDesk, version: UInt64 = 0,
    _ change: (inout Consent_V1_SetPolicyRequest) -> Void = { _ in }
  ) async throws -> Consent_V1_SetPolicyResponse {
    var request = Consent_V1_SetPolicyRequest()
    request.expectedVersion = version
    request.idempotencyKey = RecordDesk.newKey()
    change(&request)
    return try await ConsentService.setPolicy(desk.service, request, by: desk.caller)
  }

  func get(
    _ desk: RecordDesk, _ which: Consent_V1_GetPolicyRequest.OneOf_Which? = nil
  ) async throws -> Consent_V1_Policy {
    var request = Consent_V1_GetPolicyRequest()
    request.which = which
    return try await ConsentService.getPolicy(desk.service, request, by: desk.caller).policy
  }

  @Test func versionsAreDenseDatedAndShownWithEveryDefault() async throws {
    let desk = try await RecordDesk()
    let builtIn = try await get(desk)
    #expect(builtIn.version == 0 && builtIn.switches.majorityAgeYears == 18)
    #expect(!builtIn.hasEffectiveFrom && builtIn.timeZone == "America/Chicago")
    let first = try await set(desk) { $0.switches.emergencyReviewHours = 24 }
    #expect(first.policy.version == 1)
    #expect(first.policy.effectiveFrom == Google_Protobuf_Timestamp("2026-03-10T15:00:00Z"))
    #expect(first.policy.recordedBy.value == "frontdesk")
    let second = try await set(desk, version: 1) {
      $0.switches.emergencyReviewHours = 48
      $0.effectiveFrom = Google_Protobuf_Timestamp("2026-04-01T00:00:00Z")
    }
    #expect(second.policy.version == 2)
    #expect(try await get(desk).version == 1)
    #expect(try await get(desk, .version(2)).switches.emergencyReviewHours == 48)
    let april = Google_Protobuf_Timestamp("2026-04-02T00:00:00Z")
    #expect(try await get(desk, .inForceAt(april)).version == 2)
    try await expectRefused(desk) { try await get(desk, .version(9)) }
  }

  static let bad: [(String, @Sendable (inout Consent_V1_SetPolicyRequest) -> Void)] = [
    ("effective_from", { $0.effectiveFrom = Google_Protobuf_Timestamp("2026-03-09T00:00:00Z") }),
    ("switches.majority_age_years", { $0.switches.majorityAgeYears = 16 }),
    ("switches.emergency_review_hours", { $0.switches.emergencyReviewHours = 0 }),
    ("switches.treatment_channels", { $0.switches.treatmentChannels.channels = [.socialMedia] }),
    (
      "switches.individual_channels",
      { $0.switches.individualChannels.channels = [.personalMessaging] }
    ),
    ("switches.treatment_roles", { $0.switches.treatmentRoles.roleClasses = [.billing] }),
    ("switches.emergency_roles", { $0.switches.emergencyRoles.roleClasses = [.educator] }),
    ("switches.expiring_soon.days[0]", { $0.switches.expiringSoon.days = [0] }),
    ("switches.clock_allowance", { $0.switches.clockAllowance.seconds = 999 }),
    ("switches.operations_obligations", { $0.switches.operationsObligations = .init() }),
    ("switches.assertions", { $0.switches.assertions = [.init()] }),
    (
      "switches.personal_email_patient_ids[0]",
      { $0.switches.personalEmailPatientIds = [PatientID.random().description] }
    ),
    ("idempotency_key", { $0.idempotencyKey = "" }),
  ]

  @Test(arguments: bad.indices)
  func nothingBelowAFloorAndNothingDatedBack(_ index: Int) async throws {
    let desk = try await RecordDesk()
    let (field, change) = PolicyTests.bad[index]
    try await expectRefused(desk, naming: field) { try await set(desk, change) }
  }

  @Test func theNewestVersionMustBeKnown() async throws {
    let desk = try await RecordDesk()
    _ = try await set(desk)
    try await expectRefused(desk) { try await set(desk, version: 0) }
    try await expectRefused(desk) { try await set(desk, version: 7) }
  }

  @Test func anotherAgeOfMajorityMovesEveryPatientsAtOnce() async throws {
    let desk = try await RecordDesk()
    let id = try await desk.patient("P-1", born: "2008-09-30")
    try await desk.patient("P-2", born: nil)
    _ = try await set(desk) { $0.switches.majorityAgeYears = 19 }
    var request = Consent_V1_FindPatientsRequest()
    request.patientID = id
    let found = try await ConsentService.findPatients(desk.service, request, by: desk.caller)
      .response
    #expect(found.patients[0].majorityAt == Google_Protobuf_Timestamp("2027-09-30T05:00:00Z"))
    #expect(found.patients[0].version == 2)
    #expect(found.patients[0].fields.birthDate == RecordDesk.day("2008-09-30"))
    try await expectRefused(desk, naming: "effective_from") {
      try await set(desk, version: 1) {
        $0.switches.majorityAgeYears = 20
        $0.effectiveFrom = Google_Protobuf_Timestamp("2026-04-01T00:00:00Z")
      }
    }
  }

  @Test func aLeapDayBirthdayFollowsTheSwitch() async throws {
    let desk = try await RecordDesk()
    let id = try await desk.patient("P-1", born: "2008-02-29")
    func majority() async throws -> Google_Protobuf_Timestamp {
      var request = Consent_V1_FindPatientsRequest()
      request.patientID = id
      return try await ConsentService.findPatients(desk.service, request, by: desk.caller).response
        .patients[0].majorityAt
    }
    #expect(try await majority() == Google_Protobuf_Timestamp("2026-03-01T06:00:00Z"))
    _ = try await set(desk) { $0.switches.leapDayOnFebruary28 = true }
    #expect(try await majority() == Google_Protobuf_Timestamp("2026-02-28T06:00:00Z"))
  }
}
