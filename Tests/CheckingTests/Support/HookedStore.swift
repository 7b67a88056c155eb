import ConsentCore
import ConsentStore
import Synchronization

/// A store with places at which a test can step in: between a node and its database.
final class HookedStore: ConsentStore {
  struct Hooks: Sendable {
    var beforeAppend: @Sendable (TakenDecisions, AppendCondition) async throws -> Void = { _, _ in }
    var afterAppend: @Sendable (AppendOutcome) async throws -> Void = { _ in }
    var beforeRead: @Sendable () async throws -> Void = {}
    /// The snapshot is taken and read; what was read has not arrived yet.
    var afterRead: @Sendable () async throws -> Void = {}
    /// The same for readings of a whole register.
    var beforeWhole: @Sendable () async throws -> Void = {}
    var afterWhole: @Sendable () async throws -> Void = {}
  }

  let base: any ConsentStore
  private let held = Mutex(Hooks())
  private let counted = Mutex((appends: 0, reads: 0, decisions: 0))

  init(_ base: any ConsentStore) { self.base = base }

  var hooks: Hooks {
    get { held.withLock { $0 } }
    set { held.withLock { $0 = newValue } }
  }

  var counts: (appends: Int, reads: Int, decisions: Int) { counted.withLock { $0 } }

  func read<Result: Sendable>(
    _ organization: OrganizationID, _ body: @Sendable @escaping (any FactReader) throws -> Result
  ) async throws -> Result {
    counted.withLock { $0.reads += 1 }
    try await hooks.beforeRead()
    let result = try await base.read(organization, body)
    try await hooks.afterRead()
    return result
  }

  func readWhole<Result: Sendable>(
    _ organization: OrganizationID, _ body: @Sendable @escaping (any FactReader) throws -> Result
  ) async throws -> Result {
    try await hooks.beforeWhole()
    let result = try await base.readWhole(organization, body)
    try await hooks.afterWhole()
    return result
  }

  func append(
    _ organization: OrganizationID, _ taken: TakenDecisions, if condition: AppendCondition
  ) async throws -> AppendOutcome {
    counted.withLock { $0.appends += 1 }
    try await hooks.beforeAppend(taken, condition)
    let outcome = try await base.append(organization, taken, if: condition)
    try await hooks.afterAppend(outcome)
    return outcome
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
    counted.withLock { $0.decisions += 1 }
    return try await base.decide(organization, body)
  }

  func log(_ accesses: [Access], of organization: OrganizationID) async throws -> [LoggedAccess] {
    try await base.log(accesses, of: organization)
  }

  func accesses(
    of organization: OrganizationID, _ filter: AccessFilter, after cursor: DecisionID?, limit: Int
  ) async throws -> [LoggedAccess] {
    try await base.accesses(of: organization, filter, after: cursor, limit: limit)
  }

  func anchorFeed(of organization: OrganizationID) async throws -> Bool {
    try await base.anchorFeed(of: organization)
  }

  func organizations() async throws -> [OrganizationSettings] { try await base.organizations() }
  func createOrganization(_ settings: OrganizationSettings) async throws {
    try await base.createOrganization(settings)
  }
  func probe() async throws { try await base.probe() }
  func close() async { await base.close() }
}

/// A gate that a hook waits at and a test opens.
actor Latch {
  private var isOpen = false
  private var waiting: [CheckedContinuation<Void, Never>] = []

  func open() {
    isOpen = true
    for continuation in waiting { continuation.resume() }
    waiting = []
  }

  func wait() async {
    if isOpen { return }
    await withCheckedContinuation { waiting.append($0) }
  }
}

/// True once.
final class Once: Sendable {
  private let isUsed = Mutex(false)

  func take() -> Bool {
    isUsed.withLock { used in
      defer { used = true }
      return !used
    }
  }
}
