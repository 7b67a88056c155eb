/// What a call leaves behind for whoever asks later who saw what (45 CFR 164.312(b)).
enum Trail: Hashable, Sendable {
  /// It shows records of patients: the access is logged before its answer leaves.
  case access
  /// It answers with a decision, whose record is logged before the answer leaves and names the
  /// caller and the patient.
  case decision
  /// It records something: the record and its event say who did.
  case record
  /// The same; a trial of it (`validate_only`) records nothing, shows records and is an access.
  case recordOrAccess
  /// It says nothing of any patient.
  case nothing
}

/// Which method leaves which trail. What is not in the table is not served.
enum MethodTrail {
  static let trails: [String: Trail] = {
    var table: [String: Trail] = [:]
    func leaves(_ trail: Trail, _ service: String, _ methods: [String]) {
      for method in methods { table["/consent.v1." + service + "/" + method] = trail }
    }
    leaves(.decision, "CheckService", ["Check", "BatchCheck", "CheckGroup", "StreamChecks"])
    // A reverse look-up and an explanation are no decisions, and are not logged as such.
    leaves(.access, "CheckService", ["Explain", "ListPermittedImages"])
    leaves(.record, "CheckService", ["ReportUse"])
    leaves(
      .access, "RecordService",
      [
        "FindPatients", "GetPatientHistory", "GetImage", "ListImages", "GetInstrument",
        "ListInstruments", "GetDocument",
      ])
    leaves(.recordOrAccess, "RecordService", ["RecordInstrument", "Revoke"])
    leaves(
      .record, "RecordService",
      [
        "RegisterPatient", "UpdatePatient", "MergePatients", "UnmergePatients", "RegisterImages",
        "CorrectImages", "PutForm", "EndRestriction", "EnterInError", "ReportFalseInformation",
        "RecordAuthorityEvidence", "RecordCopyGiven", "DeclareExpiryEvent", "ResolveExpiryEvent",
        "PutDocument", "RecordDeidentification", "WithdrawDeidentification", "RecordDisclosure",
        "ReviewOverride", "SetPolicy",
      ])
    // The organization's rules, the same for every patient.
    leaves(.nothing, "RecordService", ["GetPolicy"])
    // Of a stream the access is its beginning: who followed the feed from where, and of whom.
    leaves(.access, "EventService", ["Watch", "ListEvents"])
    // Where events are sent to.
    leaves(
      .nothing, "EventService",
      ["CreateWebhook", "ListWebhooks", "DeleteWebhook", "RedeliverWebhook"])
    // Also those that only count: few patients in a row are told apart.
    leaves(
      .access, "ReportService",
      [
        "Coverage", "ExpiringGrants", "Denials", "Overrides", "Reliance", "LateEntries",
        "AccountingOfDisclosures", "WhatIf",
      ])
    // Who looked at whose records is itself asked for by somebody.
    leaves(.access, "AuditService", ["GetDecision", "ListDecisions", "ListAccesses"])
    // Hashes, sizes and signatures.
    leaves(.nothing, "AuditService", ["GetCheckpoint", "ProveInclusion", "ProveConsistency"])
    return table
  }()

  /// INVARIANT: a method is built by the factory that keeps its trail. The method table is written
  /// by us, so that another one is a programming error, which no server starts with.
  static func require(_ path: String, leaves expected: Set<Trail>) {
    precondition(
      trails[path].map(expected.contains) ?? false,
      "\(path) does not leave the trail that its factory keeps")
  }
}
