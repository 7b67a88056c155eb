import ConsentCore
import EmbeddedPostgres
import Postgres
import Testing

@testable import ConsentStore

/// A read that takes too long holds up neither the others, nor the health check, nor the end.
@Suite(.fewAtOnce, .timeLimit(.minutes(2))) struct ReadTimeTests {
  private func open(
    _ readTimeout: Duration
  ) async throws -> (PostgresConsentStore, OrganizationID) {
    // A silent server is not to end the read first.
    var server = try await TestDatabase.shared.value.server
    server.responseTimeout = .seconds(600)
    let store = try await PostgresConsentStore.open(
      server, clock: ManualClock(),
      options: PostgresConsentStore.Options(
        masterKeys: [TestDatabase.masterKey], readLanes: 1, writeLanes: 1, decisionLanes: 1,
        readTimeout: readTimeout, probeTimeout: .seconds(60)))
    let settings = OrganizationSettings(id: random(), name: "Clinic", timeZone: "America/Chicago")
    try await store.createOrganization(settings)
    return (store, settings.id)
  }

  private static func sleep(_ reader: any FactReader, _ marker: String) throws {
    let view = try #require(reader as? PostgresView)
    try view.connection.execute(
      PostgresStatement(name: marker, sql: "SELECT pg_sleep(600)::text AS \(marker)"))
  }

  @Test func aReadThatTakesTooLongIsCancelledAndTheNextOneRuns() async throws {
    let (store, organization) = try await open(.milliseconds(500))
    let error = await #expect(throws: StoreError.self) {
      try await store.read(organization) { try Self.sleep($0, "long_read") }
    }
    guard case .unavailable = error else {
      Issue.record("not unavailable")
      return
    }
    // The lane is free; on a busy machine a short read may need another try.
    var head: FeedHead?
    while head == nil { head = try? await store.read(organization) { $0.head } }
    await store.close()
  }

  @Test func theProbeAnswersAndTheStoreClosesWhileEveryReadLaneIsBusy() async throws {
    let (store, organization) = try await open(.seconds(600))
    async let read: StoreError? = #expect(throws: StoreError.self) {
      try await store.read(organization) { try Self.sleep($0, "busy_lane") }
    }
    let other = try PostgresConnection(await TestDatabase.shared.value.administrator())
    let isBusy = PostgresStatement(
      name: "is_busy",
      sql: """
        SELECT count(*) > 0 FROM pg_catalog.pg_stat_activity
        WHERE query LIKE '%AS busy_lane' AND state = 'active'
        """)
    while try !other.execute(isBusy).single().get(0, as: Bool.self) { await Task.yield() }
    try await store.probe()
    await store.close()
    #expect(await read != nil)
  }
}
