internal import ConsentCore
internal import Postgres

/// Facts and identities that the changes of one transaction will ask for, read together: a number of
/// patients a round trip, the first of them with the organization's lock.
///
/// INVARIANT: what is handed out is what a statement would read now. Nobody else changes anything
/// under the lock, and a change of this transaction makes what it may concern forgotten.
final class ReadAhead {
  /// Those after them are read when their turn comes, which bounds what is read in vain because the
  /// lock was held for long enough.
  private static let together = 16

  private let organization: OrganizationID
  private let connection: PostgresConnection
  private let rows: PendingRows
  private let forgets: Bool
  private var waiting: ArraySlice<PatientID>
  private var asked: [Asked] = []
  private var facts: [PatientID: Facts] = [:]
  private var identities: [PatientID: PostgresResult] = [:]

  private struct Asked {
    var patient: PatientID
    var identity: PostgresPipeline.Slot
    var facts: [PostgresPipeline.Slot]
  }

  init(
    _ patients: [PatientID], _ organization: OrganizationID, _ connection: PostgresConnection,
    _ rows: PendingRows, forgets: Bool
  ) {
    self.forgets = forgets
    self.organization = organization
    self.connection = connection
    self.rows = rows
    var seen: Set<PatientID> = []
    waiting = patients.filter { seen.insert($0).inserted }[...]
  }

  /// Asks for the next ones. Read the answer with `take`.
  func ask(in pipeline: inout PostgresPipeline) throws {
    for patient in waiting.prefix(Self.together) {
      let identity = try pipeline.execute(.identity, organization, patient)
      // The lock is held: all that is there is at or below the head.
      let limit = Int64.max
      try pipeline.execute(.keepConcerned, organization, limit, [patient], [String]())
      let facts = [
        try pipeline.execute(.holdsPart2, organization, limit),
        try pipeline.execute(.keptPapers, organization, limit),
        try pipeline.execute(.keptGrants, organization, limit),
        try pipeline.execute(.keptPatients, organization, limit),
        try pipeline.execute(.keptMerges, organization, limit),
        try pipeline.execute(.keptSources, organization, limit),
        try pipeline.execute(.keptImages, organization, limit),
      ]
      asked.append(Asked(patient: patient, identity: identity, facts: facts))
    }
    waiting = waiting.dropFirst(Self.together)
  }

  func take(_ results: PostgresPipelineResults) throws {
    defer { asked = [] }
    for ask in asked {
      identities[ask.patient] = try results.result(ask.identity)
      for slot in ask.facts { _ = try results.result(slot) }
      // What does not read is the change's own affair, which reads it once more.
      facts[ask.patient] = try? Facts(results, ask.facts, position: 0)
    }
  }

  /// - Returns: `nil` if they are to be read. Their position is to be set.
  func facts(of patient: PatientID) throws -> Facts? {
    try reach(patient)
    return facts[patient]
  }

  func identity(of patient: PatientID) throws -> PostgresResult? {
    try reach(patient)
    return identities[patient]
  }

  private func reach(_ patient: PatientID) throws {
    guard waiting.contains(patient) else { return }
    while waiting.contains(patient) {
      try rows.flush()
      try take(connection.pipeline { try ask(in: &$0) })
    }
  }

  func forgetIdentity(of patient: PatientID) { identities[patient] = nil }

  /// Of patients who share neither records nor images with others, a paper, a revocation and a
  /// registration concern only the one whose they are. All else may concern anybody.
  func forget(what change: Change) {
    guard forgets else { return }
    var concerned: Set<PatientID> = []
    for (record, _) in change.records {
      switch record {
      case .patient(let record): concerned.insert(record.id)
      case .instrument(let record): concerned.insert(record.patient)
      case .revocation(let record): concerned.insert(record.patient)
      default: return facts = [:]
      }
    }
    guard !concerned.isEmpty else { return facts = [:] }
    facts = facts.filter { patient, facts in
      !concerned.contains(patient) && facts.areOnly(of: patient)
    }
  }
}

extension Facts {
  fileprivate func areOnly(of patient: PatientID) -> Bool {
    merges.isEmpty && unevaluable.isEmpty && patients.allSatisfy { $0.id == patient }
      && instruments.allSatisfy { $0.patient == patient }
      && images.allSatisfy { $0.patient == patient && $0.sources.isEmpty }
  }
}
