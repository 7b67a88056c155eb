/// Which roles may call a method: any one of them suffices. What is not in the table is denied.
enum MethodAccess {
  static let roles: [String: Set<Role>] = {
    var table: [String: Set<Role>] = [:]
    func allow(_ service: String, _ methods: [String], _ roles: Set<Role>) {
      for method in methods { table["/consent.v1." + service + "/" + method] = roles }
    }
    allow(
      "CheckService",
      ["Check", "BatchCheck", "CheckGroup", "StreamChecks", "ListPermittedImages", "ReportUse"],
      [.checker])
    allow("CheckService", ["Explain"], [.checker, .auditor, .reporter])
    allow(
      "RecordService",
      [
        "RegisterPatient", "UpdatePatient", "RegisterImages", "CorrectImages", "RecordInstrument",
        "Revoke", "EndRestriction", "EnterInError", "ReportFalseInformation",
        "RecordAuthorityEvidence", "RecordCopyGiven", "DeclareExpiryEvent", "ResolveExpiryEvent",
        "PutDocument", "RecordDeidentification", "WithdrawDeidentification", "RecordDisclosure",
      ], [.recorder])
    allow(
      "RecordService",
      [
        "FindPatients", "GetPatientHistory", "GetImage", "ListImages", "GetInstrument",
        "ListInstruments", "GetDocument", "GetPolicy",
      ], [.recorder, .reporter, .auditor, .administrator])
    allow(
      "RecordService", ["MergePatients", "UnmergePatients", "PutForm", "SetPolicy"],
      [.administrator])
    allow("RecordService", ["ReviewOverride"], [.auditor, .administrator])
    allow("EventService", ["Watch", "ListEvents"], Set(Role.allCases))
    allow(
      "EventService", ["CreateWebhook", "ListWebhooks", "DeleteWebhook", "RedeliverWebhook"],
      [.administrator])
    allow(
      "ReportService",
      [
        "Coverage", "ExpiringGrants", "Denials", "Overrides", "Reliance", "LateEntries",
        "AccountingOfDisclosures", "WhatIf",
      ], [.reporter, .auditor])
    allow(
      "AuditService",
      [
        "GetDecision", "ListDecisions", "ListAccesses", "GetCheckpoint", "ProveInclusion",
        "ProveConsistency",
      ], [.auditor])
    return table
  }()

  /// Methods anybody may call: liveness and the public descriptors say nothing of anybody.
  static func isOpen(path: String) -> Bool {
    path.hasPrefix("/grpc.health.v1.Health/")
      || path.hasPrefix("/grpc.reflection.v1.ServerReflection/")
      || path.hasPrefix("/grpc.reflection.v1alpha.ServerReflection/")
  }

  static func allows(_ principal: Principal, path: String) -> Bool {
    guard let roles = roles[path] else { return false }
    return !roles.isDisjoint(with: principal.roles)
  }
}
