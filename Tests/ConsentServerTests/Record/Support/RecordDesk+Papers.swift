import ConsentCore
import ConsentProto
import ConsentStore
import SwiftProtobuf
import Testing

@testable import ConsentServer

extension RecordDesk {
  static var journal: Consent_V1_Party {
    var party = Consent_V1_Party()
    party.kind = .venue
    party.name = "Journal of Films"
    party.identifier = identifier("1234-5678", system: "urn:issn")
    return party
  }

  /// A permit for external education until the end of 2026, unless said otherwise.
  static func terms(
    _ change: (inout Consent_V1_GrantTerms) -> Void = { _ in }
  ) -> Consent_V1_GrantTerms {
    var terms = Consent_V1_GrantTerms()
    terms.effect = .permit
    terms.scope.patient = Consent_V1_WholePatient()
    terms.reach = .presentAndFuture
    terms.uses = [.education]
    terms.audiences = [.external]
    terms.recipients = [journal]
    terms.expiry.until = day("2026-12-31")
    change(&terms)
    return terms
  }

  /// An authorization without defect, signed by the individual on 2026-03-01.
  static func paper(
    _ grants: [Consent_V1_GrantTerms]? = nil,
    _ change: (inout Consent_V1_InstrumentFields) -> Void = { _ in }
  ) -> Consent_V1_InstrumentFields {
    var paper = Consent_V1_InstrumentFields()
    paper.kind = .authorization
    paper.statements.rightToRevoke = .yes
    paper.statements.conditioning = .yes
    paper.statements.redisclosure = .yes
    paper.signer.capacity = .individual
    paper.signed.localDay = day("2026-03-01")
    paper.informationDescribed = "the X-ray images named below"
    paper.signaturePresent = .yes
    paper.patientNamed = .yes
    var part = Consent_V1_InstrumentPart()
    part.number = 1
    part.grants = grants ?? [terms()]
    paper.parts = [part]
    change(&paper)
    return paper
  }

  static func refusal(
    _ scope: (inout Consent_V1_GrantTerms) -> Void = { _ in }, signed: String = "2026-03-01"
  ) -> Consent_V1_InstrumentFields {
    let line = terms {
      $0.effect = .deny
      $0.clearExpiry()
      $0.recipients = []
      scope(&$0)
    }
    return paper([line]) {
      $0.kind = .refusal
      $0.signed.localDay = day(signed)
    }
  }

  func request(
    _ patient: String, _ paper: Consent_V1_InstrumentFields, born: String = "1970-05-05",
    validateOnly: Bool = false
  ) -> Consent_V1_RecordInstrumentRequest {
    var request = Consent_V1_RecordInstrumentRequest()
    request.patientID = patient
    request.secondIdentifier.birthDate = RecordDesk.day(born)
    request.instrument = paper
    request.validateOnly = validateOnly
    if !validateOnly { request.idempotencyKey = RecordDesk.newKey() }
    return request
  }

  @discardableResult
  func record(
    _ patient: String, _ paper: Consent_V1_InstrumentFields = paper(), born: String = "1970-05-05",
    validateOnly: Bool = false
  ) async throws -> Consent_V1_RecordInstrumentResponse {
    try await ConsentService.recordInstrument(
      service, request(patient, paper, born: born, validateOnly: validateOnly), by: caller
    ).response
  }

  func revocation(
    _ patient: String, _ grants: [String], born: String = "1970-05-05"
  ) -> Consent_V1_RevokeRequest {
    var request = Consent_V1_RevokeRequest()
    request.patientID = patient
    request.secondIdentifier.birthDate = RecordDesk.day(born)
    request.grants.grantIds = grants
    request.method = .written
    request.signer.capacity = .individual
    request.idempotencyKey = RecordDesk.newKey()
    return request
  }

  func revoke(_ request: Consent_V1_RevokeRequest) async throws -> Consent_V1_RevokeResponse {
    try await ConsentService.revoke(service, request, by: caller).response
  }

  /// Checks external education in the journal.
  @discardableResult
  func check(_ uid: String) async throws -> Consent_V1_Decision {
    var request = Consent_V1_CheckRequest()
    request.request.image = RecordDesk.key(uid)
    request.request.use = .education
    request.request.audience = .external
    request.request.channel = .publication
    request.request.actor.user = RecordDesk.identifier("u1", system: "urn:staff")
    request.request.actor.roleClass = .clinician
    request.request.actor.relationship = .careTeam
    request.request.recipient = RecordDesk.journal
    request.request.intent = .use
    return try await ConsentService.check(service, request, by: caller).decision
  }

  func instrument(_ id: String) async throws -> Consent_V1_Instrument {
    var request = Consent_V1_GetInstrumentRequest()
    request.instrumentID = id
    return try await ConsentService.getInstrument(service, request, by: caller).response.instrument
  }
}
