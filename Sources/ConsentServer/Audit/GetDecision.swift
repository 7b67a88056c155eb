import ConsentCore
import ConsentProto
import ConsentStore
import Foundation

extension ConsentService {
  /// Shows one logged decision.
  static func getDecision(
    _ service: ConsentService, _ request: Consent_V1_GetDecisionRequest, by caller: Principal
  ) async throws -> Shown<Consent_V1_GetDecisionResponse> {
    let (id, position) = try RequestReader.read { reader in
      let position = reader.minPosition(request.hasMinPosition ? request.minPosition : nil)
      return reader.decisionID(request.decisionID, "decision_id").map { ($0, position) }
    }
    return try await service.store.read(caller.organization) { reader in
      try position?.require(in: reader)
      guard let logged = try reader.decision(id),
        let told = try LoggedDecisionView(limits: caller.limits).told([logged], in: reader).first
      else {
        throw ServiceError.notFound(kind: "decision", name: id.text)
      }
      var response = Consent_V1_GetDecisionResponse()
      response.logRecord = Data(try caller.record(id, in: reader) ?? [])
      response.decision = told
      response.position = Consent_V1_FeedPosition(reader.head)
      return Shown(response, naming: [told.patientID], subject: ["decision": id.text])
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

  /// Facts of so many images are read at once.
  private static let imagesAtOnce = 1_000

  /// In the order given. The facts of many decisions are read together: what a decision needs of
  /// them, errors of the records it names, is in those of its own images.
  func told(
    _ decisions: [LoggedDecision], in reader: any FactReader
  ) throws -> [Consent_V1_LoggedDecision] {
    var told: [Consent_V1_LoggedDecision] = []
    var rest = decisions[...]
    while !rest.isEmpty {
      var images: Set<ImageKey> = []
      let part = rest.prefix { logged in
        defer { images.formUnion(logged.entry.images) }
        return images.count < Self.imagesAtOnce
      }
      rest = rest.dropFirst(part.count)
      let facts = try reader.facts(images: images.sorted(), asOf: nil)
      told += part.map { self.told($0, facts: facts) }
    }
    return told
  }

  private func told(_ logged: LoggedDecision, facts: Facts) -> Consent_V1_LoggedDecision {
    let entry = logged.entry
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

extension DecisionEntry {
  fileprivate var images: [ImageKey] { group?.images ?? [request.image] }
}
