import ConsentCore
import ConsentProto
import ConsentStore

extension ConsentService {
  /// Reports that a paper contains information known to be false (45 CFR 164.508(b)(2)(v)).
  static func reportFalseInformation(
    _ service: ConsentService, _ request: Consent_V1_ReportFalseInformationRequest,
    by caller: Principal
  ) async throws -> Consent_V1_ReportFalseInformationResponse {
    let report = try RequestReader.read { reader -> FalseInformation? in
      reader.conventions(request)
      let instrument = reader.id(request.instrumentID, "instrument_id", of: Instrument.self)
      let note = reader.text(request.note, "note", .required, limit: .note)
      guard let instrument, let note else { return nil }
      return FalseInformation(id: .random(), instrument: instrument, note: note)
    }
    return try await service.record(request, by: caller) { recording in
      let facts = try recording.amend(report.instrument) { try $0.reportFalseInformation(report) }
      var response = Consent_V1_ReportFalseInformationResponse()
      response.falseInformationID = report.id.description
      response.instrument = facts.shown(report.instrument, at: recording.now)
      return response
    }
  }
}
