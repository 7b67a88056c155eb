import ConsentCore
import ConsentProto
import ConsentStore

extension ConsentService {
  /// Ends an agreed restriction (45 CFR 164.522(a)(2)), from now. How it ended is kept in front of
  /// the note.
  static func endRestriction(
    _ service: ConsentService, _ request: Consent_V1_EndRestrictionRequest, by caller: Principal
  ) async throws -> Consent_V1_EndRestrictionResponse {
    let end = try RequestReader.read { reader -> RestrictionEnd? in
      reader.conventions(request)
      let instrument = reader.id(request.instrumentID, "instrument_id", of: Instrument.self)
      let method = reader.endMethod(request.method)
      let note = reader.text(request.hasNote ? request.note : nil, "note", limit: .note)
      guard let instrument, let method else { return nil }
      return RestrictionEnd(
        id: .random(), instrument: instrument, note: note.map { method + ": " + $0 } ?? method)
    }
    return try await service.record(request, by: caller) { recording in
      let facts = try recording.amend(end.instrument) { try $0.endRestriction(end) }
      var response = Consent_V1_EndRestrictionResponse()
      response.restrictionEndID = end.id.description
      response.instrument = facts.shown(end.instrument, at: recording.now)
      return response
    }
  }
}

extension RequestReader {
  fileprivate mutating func endMethod(_ method: Consent_V1_RestrictionEndMethod) -> String? {
    switch method {
    case .inWriting: return "IN_WRITING"
    case .orally: return "ORALLY"
    case .unspecified:
      refuse("method", "is required")
      return nil
    case .UNRECOGNIZED:
      refuse("method", "is not a value that this version knows")
      return nil
    }
  }
}

extension Recording {
  /// Appends a change about a paper.
  /// - Returns: the facts after it.
  /// - Throws: NOT_FOUND if there is no such paper.
  func amend(
    _ instrument: InstrumentID, _ command: (ChangeBuilder) throws -> Change
  ) throws -> Facts {
    let reference = RecordReference(kind: .instrument, id: instrument.retyped())
    let facts = try writer.facts(of: reference)
    let change = try CommandFields.named { try command(builder(facts)) }
    try writer.append(change)
    return try writer.facts(of: reference)
  }
}

extension Facts {
  func shown(_ instrument: InstrumentID, at: Instant) -> Consent_V1_Instrument {
    self.instrument(instrument).map { Consent_V1_Instrument($0, facts: self, at: at) }
      ?? Consent_V1_Instrument()
  }
}
