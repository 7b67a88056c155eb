import ConsentProto
import Foundation
import SwiftProtobuf

/// What the service does, shown in one minute on a patient of its own: a permit, a deny with its
/// reason, a revocation, and the event that it emitted. Its connections may be of several nodes.
struct Tour {
  let recorder: Connection
  let checker: Connection
  let revoker: Connection
  let watcher: Connection
  private let person = SampleRegister.Person(
    number: "T" + UUID().uuidString.prefix(8), name: "Tour Sample", birthDate: "1966-06-06",
    studies: [1], papers: [])

  init(
    recorder: Connection, checker: Connection, revoker: Connection, watcher: Connection
  ) {
    self.recorder = recorder
    self.checker = checker
    self.revoker = revoker
    self.watcher = watcher
  }

  func show() async throws {
    let (patientID, image) = try await register()
    let grantID = try await authorize(patientID)
    try await step("a journal prints it, as the patient authorized", image) { _ in }
    try await step("the same image by personal messaging", image) {
      $0.channel = .personalMessaging
    }
    try await step("a clinician who treats the patient opens it", image) {
      $0.use = .diagnosis
      $0.audience = .ownWorkforce
      $0.channel = .pacsViewer
      $0.clearRecipient()
    }
    let revoked = try await revoke(grantID, of: patientID)
    print("\nthe patient revokes: recorded at position \(revoked.position.position)")
    try await step("the journal asks again", image) { _ in }
    try await event(at: revoked.position.position)
  }

  private func register() async throws -> (String, Consent_V1_ImageKey) {
    var patient = Consent_V1_RegisterPatientRequest()
    patient.fields.identifiers = [SampleRegister.identifier(person.number)]
    patient.fields.birthDate = try Keys.day(person.birthDate, field: "birth_date")
    patient.idempotencyKey = UUID().uuidString
    let registered: Consent_V1_RegisterPatientResponse = try await recorder.unary(
      "RecordService/RegisterPatient", patient)
    var image = Consent_V1_ImageRegistration()
    let uid = "2.25.\(UInt64.random(in: 1...UInt64.max))"
    image.fields.key.sopInstanceUid = uid + ".1"
    image.fields.kind = .dicomInstance
    image.fields.studyInstanceUid = uid
    image.fields.modality = "DX"
    image.fields.acquiredOn = try Keys.day("2025-02-01", field: "acquired_on")
    var images = Consent_V1_RegisterImagesRequest()
    images.patient.patientID = registered.patient.patientID
    images.images = [image]
    images.idempotencyKey = UUID().uuidString
    let _: Consent_V1_RegisterImagesResponse = try await recorder.unary(
      "RecordService/RegisterImages", images)
    return (registered.patient.patientID, image.fields.key)
  }

  private func authorize(_ patientID: String) async throws -> String {
    var request = try SampleRegister.request(
      .init(kind: .authorization, audiences: [.external]), of: person)
    request.patientID = patientID
    request.secondIdentifier.birthDate = try Keys.day(person.birthDate, field: "birth_date")
    request.idempotencyKey = UUID().uuidString
    let answer: Consent_V1_RecordInstrumentResponse = try await recorder.unary(
      "RecordService/RecordInstrument", request)
    guard let grant = answer.instrument.grants.first else {
      throw CommandFailure.fault("the authorization was recorded without a grant")
    }
    print("an authorization is recorded: education, external, until 2035-12-31")
    return grant.grantID
  }

  private func step(
    _ title: String, _ image: Consent_V1_ImageKey,
    _ change: (inout Consent_V1_UseRequest) -> Void
  ) async throws {
    var request = Consent_V1_CheckRequest()
    request.request.image = image
    request.request.use = .education
    request.request.audience = .external
    request.request.channel = .publication
    request.request.recipient = try Keys.party("venue:urn:issn|1234-5678", field: "recipient")
    request.request.actor.user = try Keys.identifier("urn:sample:staff|jdoe", field: "user")
    request.request.actor.roleClass = .clinician
    request.request.actor.relationship = .careTeam
    request.request.intent = .use
    change(&request.request)
    let answer: Consent_V1_CheckResponse = try await checker.unary("CheckService/Check", request)
    print("\n\(Terminal.bold(title)):\n\(answer.decision.text())")
  }

  private func revoke(
    _ grantID: String, of patientID: String
  ) async throws -> Consent_V1_RevokeResponse {
    var request = Consent_V1_RevokeRequest()
    request.patientID = patientID
    request.secondIdentifier.birthDate = try Keys.day(person.birthDate, field: "birth_date")
    request.grants.grantIds = [grantID]
    request.method = .written
    request.signer.capacity = .individual
    request.signed.localDay = try Keys.day("2025-03-05", field: "signed")
    request.idempotencyKey = UUID().uuidString
    return try await revoker.unary("RecordService/Revoke", request)
  }

  private func event(at position: UInt64) async throws {
    var request = Consent_V1_WatchRequest()
    request.after.position = position &- 1
    try await watcher.stream("EventService/Watch", request) {
      (message: Consent_V1_WatchResponse) in
      guard case .event(let event) = message.message else { return true }
      print("\nthe event it emitted:\n" + WatchCommand.text(event))
      return false
    }
  }
}
