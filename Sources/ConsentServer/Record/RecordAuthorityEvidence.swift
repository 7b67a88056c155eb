import ConsentCore
import ConsentProto
import ConsentStore

extension ConsentService {
  /// Records what was found of a representative's authority (45 CFR 164.514(h)).
  static func recordAuthorityEvidence(
    _ service: ConsentService, _ request: Consent_V1_RecordAuthorityEvidenceRequest,
    by caller: Principal
  ) async throws -> Consent_V1_RecordAuthorityEvidenceResponse {
    let evidence = try RequestReader.read { reader -> AuthorityEvidence? in
      reader.conventions(request)
      let instrument = reader.id(request.instrumentID, "instrument_id", of: Instrument.self)
      let finding = reader.word(
        request.finding, "finding", .required, as: AuthorityEvidence.Finding.self)
      let verifiedBy = reader.text(request.verifiedBy, "verified_by", .required)
      let note = reader.text(request.note, "note", .required, limit: .note)
      reader.refuseDocuments(request.documentIds)
      guard let instrument, let finding, let verifiedBy, let note else { return nil }
      return AuthorityEvidence(
        id: .random(), instrument: instrument, finding: finding, verifiedBy: verifiedBy, note: note)
    }
    return try await service.record(request, by: caller) { recording in
      let facts = try recording.amend(evidence.instrument) {
        try $0.recordAuthorityEvidence(evidence)
      }
      var response = Consent_V1_RecordAuthorityEvidenceResponse()
      response.authorityEvidenceID = evidence.id.description
      response.instrument = facts.shown(evidence.instrument, at: recording.now)
      return response
    }
  }
}
