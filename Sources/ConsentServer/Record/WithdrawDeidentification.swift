import ConsentCore
import ConsentProto
import ConsentStore

extension ConsentService {
  /// Withdraws a determination; from now the image is identifiable.
  static func withdrawDeidentification(
    _ service: ConsentService, _ request: Consent_V1_WithdrawDeidentificationRequest,
    by caller: Principal
  ) async throws -> Consent_V1_WithdrawDeidentificationResponse {
    let withdrawal = try RequestReader.read { reader -> DeterminationWithdrawal? in
      reader.conventions(request)
      let id = reader.id(request.determinationID, "determination_id", of: Determination.self)
      let note = reader.text(request.note, "note", .required, limit: .note)
      guard let id, let note else { return nil }
      return DeterminationWithdrawal(id: .random(), determination: id, note: note)
    }
    return try await service.record(request, by: caller) { recording in
      let facts = try recording.writer.facts(
        of: RecordReference(kind: .determination, id: withdrawal.determination.retyped()))
      let change = try CommandFields.named {
        try recording.builder(facts).withdrawDeidentification(withdrawal)
      }
      try recording.writer.append(change)
      var response = Consent_V1_WithdrawDeidentificationResponse()
      response.withdrawalID = withdrawal.id.description
      return response
    }
  }
}
