import ConsentCore
import ConsentStore
import Synchronization

/// A store that shows what is logged of accesses, and does not log them when told so.
final class TrailStore: ConsentStore {
  private struct State {
    var accesses: [Access] = []
    var failure: (any Error)?
    var losesRecords = false
  }

  private let base: any ConsentStore
  private let state = Mutex(State())

  init(_ base: any ConsentStore) { self.base = base }

  /// What has been logged since the last look.
  func takeAccesses() -> [Access] {
    state.withLock { state in
      defer { state.accesses = [] }
      return state.accesses
    }
  }

  /// What `log` throws from now on; `nil`: it logs.
  func fail(with error: (any Error)?) { state.withLock { $0.failure = error } }

  /// It answers for fewer records than it was given.
  func loseRecords() { state.withLock { $0.losesRecords = true } }

  func log(_ accesses: [Access], of organization: OrganizationID) async throws -> [LoggedAccess] {
    let (failure, losesRecords) = state.withLock { ($0.failure, $0.losesRecords) }
    if let failure { throw failure }
    let logged = try await base.log(accesses, of: organization)
    state.withLock { $0.accesses += accesses }
    return losesRecords ? Array(logged.dropLast()) : logged
  }

  func accesses(
    of organization: OrganizationID, _ filter: AccessFilter, after cursor: DecisionID?, limit: Int
  ) async throws -> [LoggedAccess] {
    try await base.accesses(of: organization, filter, after: cursor, limit: limit)
  }

  func anchorFeed(of organization: OrganizationID) async throws -> Bool {
    try await base.anchorFeed(of: organization)
  }

  func read<Result: Sendable>(
    _ organization: OrganizationID, _ body: @Sendable @escaping (any FactReader) throws -> Result
  ) async throws -> Result {
    try await base.read(organization, body)
  }

  func write(
    _ organization: OrganizationID, by caller: String, key: IdempotencyKey?,
    about patient: PatientID?,
    _ body: @Sendable @escaping (any FactWriter) throws -> [UInt8]
  ) async throws -> WriteReceipt {
    try await base.write(organization, by: caller, key: key, about: patient, body)
  }

  func decide(
    _ organization: OrganizationID,
    _ body: @Sendable @escaping (any FactReader) throws -> [DecisionEntry]
  ) async throws -> [LoggedDecision] {
    try await base.decide(organization, body)
  }

  func append(
    _ organization: OrganizationID, _ taken: TakenDecisions, if condition: AppendCondition
  ) async throws -> AppendOutcome {
    try await base.append(organization, taken, if: condition)
  }

  func organizations() async throws -> [OrganizationSettings] { try await base.organizations() }
  func createOrganization(_ settings: OrganizationSettings) async throws {
    try await base.createOrganization(settings)
  }
  func probe() async throws { try await base.probe() }
  func close() async { await base.close() }
}
