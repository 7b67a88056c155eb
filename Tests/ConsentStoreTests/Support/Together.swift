import ConsentCore
import Foundation
import Postgres
import Testing

@testable import ConsentStore

/// Changes that are known to wait for one transaction at the same time, in a known order.
struct Together: Sendable {
  typealias Outcome = Result<WriteReceipt, any Error>

  let store: PostgresConsentStore
  let organization: OrganizationID

  struct Write: Sendable {
    var key: IdempotencyKey?
    var caller = "tester"
    /// Whose facts the body asks for.
    var patient: PatientID?
    var body: @Sendable (any FactWriter) throws -> [UInt8]

    init(
      key: IdempotencyKey? = nil, _ body: @escaping @Sendable (any FactWriter) throws -> [UInt8]
    ) {
      self.key = key
      self.body = body
    }

    /// Appends an event; replies with its position.
    static func tell(_ subject: String = random().text) -> Write {
      Write { try $0.append(Change(events: [Build.event(.documentStored, subject)])).bytes }
    }
  }

  /// A store of its own with one lane for writes, so that a job in that lane makes all others wait.
  static func open(
    _ database: TestDatabase? = nil, clock: any WallClock = ManualClock(),
    through server: PostgresConfiguration? = nil,
    _ change: (inout PostgresConsentStore.Options) -> Void = { _ in }
  ) async throws -> Together {
    var database = database
    if database == nil { database = try await TestDatabase.shared.value }
    let opened = try #require(database)
    let store = try await opened.store(clock: clock, through: server) { options in
      // On a busy machine a group must not end early by time, unless that is what is tested.
      options.writeLockTime = .seconds(60)
      change(&options)
    }
    let settings = OrganizationSettings(id: random(), name: "Clinic", timeZone: "America/Chicago")
    try await store.createOrganization(settings)
    return Together(store: store, organization: settings.id)
  }

  /// Lets `writes` arrive one after the other while the lane is busy, then lets the lane go.
  /// - Parameter meanwhile: runs once they have all arrived.
  /// - Returns: their outcomes, in the order in which they arrived.
  func write(
    _ writes: [Write], meanwhile: @Sendable () async throws -> Void = {}
  ) async throws -> [Outcome] {
    let gate = DispatchSemaphore(value: 0)
    async let held: Void = store.writes.run { _ in gate.wait() }
    while store.writes.load == 0 { await Task.yield() }
    let tasks = await arrive(writes)
    do {
      try await meanwhile()
    } catch {
      gate.signal()
      throw error
    }
    gate.signal()
    // Where a test has taken the database away, the lane may not even have begun to wait.
    _ = try? await held
    var outcomes: [Outcome] = []
    for task in tasks { outcomes.append(await task.result) }
    return outcomes
  }

  private func arrive(_ writes: [Write]) async -> [Task<WriteReceipt, any Error>] {
    let batcher = store.writers[organization]
    var tasks: [Task<WriteReceipt, any Error>] = []
    for write in writes {
      let before = batcher.waiting
      tasks.append(
        Task {
          try await store.write(
            organization, by: write.caller, key: write.key, about: write.patient, write.body)
        })
      // One refused at once does not wait.
      let deadline = ContinuousClock.now + .seconds(write.key?.key.contains("\0") == true ? 0 : 60)
      while batcher.waiting == before, ContinuousClock.now < deadline { await Task.yield() }
    }
    return tasks
  }

  func read<Value: Sendable>(
    _ body: @Sendable @escaping (any FactReader) throws -> Value
  ) async throws -> Value {
    try await store.read(organization, body)
  }

  func rows() async throws -> [FeedRow] { try await read { try $0.feed(after: 0, limit: 9_999) } }

  /// Transactions that the feed's rows came in.
  func transactions(_ database: TestDatabase) throws -> Int64 {
    let count = PostgresStatement(
      name: "transactions",
      sql: "SELECT count(DISTINCT xmin::text) FROM feed WHERE organization_id = $1")
    return try PostgresConnection(database.administrator()).execute(count, organization).single()
      .get(0)
  }
}

extension [UInt64] {
  var bytes: [UInt8] { flatMap { ConsentStoreTests.bytes(of: $0) } }
}

extension Result<WriteReceipt, any Error> {
  var receipt: WriteReceipt? { try? get() }

  var error: (any Error)? {
    if case .failure(let error) = self { error } else { nil }
  }

  /// The positions it replied with.
  var positions: [UInt64]? { receipt?.reply.chunks() }
}
