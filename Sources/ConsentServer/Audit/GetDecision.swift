import ConsentCore
import ConsentProto
import ConsentStore
import Foundation

extension ConsentService {
  /// Shows one logged decision.
  static func getDecision(
    _ service: ConsentService, _ request: Consent_V1_GetDecisionRequest, by caller: Principal
  ) async throws -> Consent_V1_GetDecisionResponse {
    let (id, position) = try RequestReader.read { reader in
      let position = reader.minPosition(request.hasMinPosition ? request.minPosition : nil)
      return reader.decisionID(request.decisionID, "decision_id").map { ($0, position) }
    }
    return try await service.store.read(caller.organization) { reader in
      try position?.require(in: reader)
      guard let logged = try reader.decision(id) else {
        throw ServiceError.notFound(kind: "decision", name: id.text)
      }
      var response = Consent_V1_GetDecisionResponse()
      response.logRecord = Data(try caller.record(id, in: reader) ?? [])
      response.decision = try LoggedDecisionView(limits: caller.limits).told(logged, in: reader)
      response.position = Consent_V1_FeedPosition(reader.head)
      return response
    }
  }
}

extension Principal {
  /// A record tells the true reason. In an organization with Part 2 records only those who may see
  /// such reasons get it; for others a missing one must not tell that there was something to hide.
  fileprivate func record(_ id: DecisionID, in reader: any FactReader) throws -> [UInt8]? {
    guard
      try limits.seesPart2 || !reader.organizationFacts(asOf: nil).organizationHoldsPart2
    else { return nil }
    return try reader.logRecord(id)
  }
}

/// Logged decisions as a reader may see them, with what became of their records since.
struct LoggedDecisionView {
  let limits: CallerLimits

  func told(
    _ logged: LoggedDecision, in reader: any FactReader
  ) throws -> Consent_V1_LoggedDecision {
    let entry = logged.entry
    let facts = try reader.facts(images: entry.group?.images ?? [entry.request.image], asOf: nil)
    let visible = entry.decision.masked(for: limits, holdsPart2: facts.organizationHoldsPart2)
    var told = Consent_V1_LoggedDecision(
      logged, visible: visible, restsOnError: entry.decision.restsOnRecordInError(facts))
    for index in told.differing.indices {
      // Of a member the log keeps the reason alone; it is masked as the decision's would be.
      guard let differing = entry.group?.differing[index] else { continue }
      let masked = Decision(
        effect: differing.effect, primary: differing.reason, at: entry.decision.at
      )
      .masked(for: limits, holdsPart2: facts.organizationHoldsPart2).primary
      told.differing[index].reason = masked.proto()
      told.differing[index].reasons = [Consent_V1_ReasonDetail(masked)]
    }
    return told
  }
}
