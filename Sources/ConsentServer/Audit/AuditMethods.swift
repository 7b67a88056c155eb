import ConsentProto
import RPCServer

extension ConsentService {
  /// `consent.v1.AuditService`.
  var auditMethods: [RPCMethod] {
    let service = "/consent.v1.AuditService/"
    return [
      unary(service + "GetDecision", noSideEffects: true, Self.getDecision),
      unary(service + "ListDecisions", Self.listDecisions),
      unimplemented(
        service + "GetCheckpoint", Consent_V1_GetCheckpointRequest.self,
        Consent_V1_GetCheckpointResponse.self),
      unimplemented(
        service + "ProveInclusion", Consent_V1_ProveInclusionRequest.self,
        Consent_V1_ProveInclusionResponse.self),
      unimplemented(
        service + "ProveConsistency", Consent_V1_ProveConsistencyRequest.self,
        Consent_V1_ProveConsistencyResponse.self),
    ]
  }
}
