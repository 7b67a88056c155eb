import ConsentProto
import RPCServer

extension ConsentService {
  /// `consent.v1.AuditService`.
  var auditMethods: [RPCMethod] {
    let service = "/consent.v1.AuditService/"
    return [
      unary(service + "GetDecision", noSideEffects: true, Self.getDecision),
      unary(service + "ListDecisions", Self.listDecisions),
      unary(service + "GetCheckpoint", noSideEffects: true, Self.getCheckpoint),
      unary(service + "ProveInclusion", noSideEffects: true, Self.proveInclusion),
      unary(service + "ProveConsistency", noSideEffects: true, Self.proveConsistency),
    ]
  }
}
