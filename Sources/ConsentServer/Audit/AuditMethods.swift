import ConsentProto
import RPCServer

extension ConsentService {
  /// `consent.v1.AuditService`.
  var auditMethods: [RPCMethod] {
    let service = "/consent.v1.AuditService/"
    return [
      showing(service + "GetDecision", noSideEffects: true, Self.getDecision),
      showing(service + "ListDecisions", Self.listDecisions),
      showing(service + "ListAccesses", Self.listAccesses),
      unary(service + "GetCheckpoint", noSideEffects: true, Self.getCheckpoint),
      unary(service + "ProveInclusion", noSideEffects: true, Self.proveInclusion),
      unary(service + "ProveConsistency", noSideEffects: true, Self.proveConsistency),
    ]
  }
}
