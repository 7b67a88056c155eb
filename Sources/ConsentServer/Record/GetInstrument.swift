import ConsentCore
import ConsentProto
import ConsentStore

extension ConsentService {
  /// Shows one paper. A Part 2 consent is NOT_FOUND for a caller without that right.
  static func getInstrument(
    _ service: ConsentService, _ request: Consent_V1_GetInstrumentRequest, by caller: Principal
  ) async throws -> Shown<Consent_V1_GetInstrumentResponse> {
    let asked = try RequestReader.read { reader -> (InstrumentID, KnownPosition?)? in
      let id = reader.id(request.instrumentID, "instrument_id", of: Instrument.self)
      let position = reader.minPosition(request.hasMinPosition ? request.minPosition : nil)
      return id.map { ($0, position) }
    }
    let (id, position) = asked
    return try await service.show(by: caller, minPosition: position) { reader, _ in
      let facts = try reader.facts(of: RecordReference(kind: .instrument, id: id.retyped()))
      guard let paper = facts.instrument(id), paper.isVisible(to: caller) else {
        throw ServiceError.notFound(kind: RecordKind.instrument.name, name: id.description)
      }
      var response = Consent_V1_GetInstrumentResponse()
      response.instrument = Consent_V1_Instrument(paper, facts: facts, at: reader.now)
      return Shown(response, of: [paper.patient], subject: ["instrument": id.description])
    }
  }
}
