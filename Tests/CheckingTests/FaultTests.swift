import ConsentCore
import ConsentStore
import EmbeddedPostgres
import Synchronization
import Testing

@testable import Checking

/// Fail closed: what may not be trusted is answered by nobody.
@Suite(.fewAtOnce) struct FaultTests {
  @Test(arguments: [false, true])
  func aRestoredBackupIsNoticed(growsPast: Bool) async throws {
    let clinic = try await Clinic(.postgres)
    let patient = try await clinic.patient()
    let image = try await clinic.image(0, of: patient)
    let paper = try await clinic.paper(of: patient)
    let replaced = Once()
    let node = clinic.node { report in
      if case .historyReplaced = report { _ = replaced.take() }
    }
    let first = try await node.ask(image)
    let back = first.head.position
    try await clinic.elsewhere()
    let seen = try await node.ask(image)
    #expect(seen.id.log == first.id.log)
    try await Damage.goBack(to: back, of: clinic.organization)
    if growsPast {
      // A change is refused once too, because it may have been built on what is gone.
      await #expect(throws: StoreError.self) { try await clinic.revoke(paper) }
      try await clinic.revoke(paper)
      try await clinic.elsewhere()
    }
    // Refused once, and then answered on the history that there is, in a log of its own.
    do {
      let logged = try await node.ask(image)
      Issue.record("answered at \(logged.head.position) of the history that was replaced")
    } catch {
      guard case .unavailable? = error as? StoreError else { throw error }
    }
    #expect(!replaced.take())
    let after = try await node.ask(image)
    #expect(after.head == (try await clinic.head()))
    #expect(after.id.log != seen.id.log)
    #expect(after.effect == (growsPast ? .deny : .permit))
  }

  @Test func anUnknownKindOfRowStopsTheOrganizationAndNoOther() async throws {
    let clinic = try await Clinic(.postgres)
    let patient = try await clinic.patient()
    let image = try await clinic.image(0, of: patient)
    let stopped = Once()
    let node = clinic.node { if case .stopped = $0 { _ = stopped.take() } }
    _ = try await node.ask(image)
    try await clinic.elsewhere()
    try await Damage.foreignRow(of: clinic.organization)
    for _ in 0..<3 {
      do {
        _ = try await node.ask(image)
        Issue.record("answered")
      } catch {
        guard case .unavailable? = error as? StoreError else { throw error }
      }
    }
    #expect(!stopped.take())
    // What it asks the database in a transaction is not answered either.
    await #expect(throws: StoreError.self) {
      _ = try await node.checker.decide(clinic.organization, images: [image]) { reader in
        _ = try reader.images(study: "1.2.3")
        return [try entry(image, in: reader)]
      }
    }
    let other = try await Clinic(.postgres)
    let logged = try await node.checker.decide(other.organization, images: [image]) {
      [try entry(image, in: $0)]
    }
    #expect(logged.count == 1)
  }

  @Test func withoutTheDatabaseNothingIsAnsweredAndThenItIs() async throws {
    let clinic = try await Clinic(.postgres)
    let patient = try await clinic.patient()
    let image = try await clinic.image(0, of: patient)
    let paper = try await clinic.paper(of: patient)
    let node = clinic.node()
    _ = try await node.ask(image)
    let gone: @Sendable () async throws -> Void = { throw StoreError.unavailable("gone") }
    node.store.hooks.beforeRead = gone
    node.store.hooks.beforeAppend = { _, _ in try await gone() }
    for asked in [image, Build.key(5)] {
      await #expect(throws: StoreError.unavailable("gone")) { try await node.ask(asked) }
    }
    try await clinic.revoke(paper)
    node.store.hooks = HookedStore.Hooks()
    #expect(try await node.ask(image).effect == .deny)
    #expect(try await node.ask(Build.key(5)).entry.decision.primary == .imageUnknown)
  }

  /// The server is killed while two nodes check and a third writes: every answer is in the log, none
  /// twice, and none rests on what had been revoked before it was asked.
  @Test func nothingAnsweredIsLostWhenTheServerIsKilled() async throws {
    let cluster = try await TemporaryPostgres.start()
    let database = try await TestDatabase.make(in: cluster, name: "checking_killed")
    let clock = ManualClock()
    let settings = OrganizationSettings(id: random(), name: "Clinic", timeZone: "UTC")
    let store = try await database.store(clock: clock, lanes: 2)
    try await store.createOrganization(settings)
    var clinic = try await Clinic(.memory)
    clinic.bench = Bench(store: store, organization: settings.id, clock: clock)
    let held = clinic
    let patient = try await held.patient()
    let image = try await held.image(0, of: patient)
    let nodes = [held.node(), held.node()]
    let answered = Answers()
    try await withThrowingTaskGroup(of: Void.self) { group in
      for worker in 0..<4 {
        group.addTask {
          let node = nodes[worker % 2]
          for step in 0..<40 {
            if worker == 0, step == 10 || step == 25 {
              killAtOnce(database.cluster.server.postmasterPID)
            }
            if worker == 3 { _ = try? await held.elsewhere() }
            if let logged = try? await node.ask(image) { answered.add(logged) }
          }
        }
      }
      try await group.waitForAll()
    }
    let listed = try await eventually {
      try await held.bench.read { try $0.decisions(DecisionFilter(), limit: 10_000) }
    }
    let all = answered.all
    #expect(!all.isEmpty)
    #expect(Set(all.map(\.id)).count == all.count)
    #expect(Set(listed).isSuperset(of: all))
    for logged in all { #expect(try await held.again(logged) == logged.entry.decision) }
    await store.close()
    try await cluster.remove()
  }

  private func eventually<Value: Sendable>(
    _ body: @Sendable () async throws -> Value
  ) async throws -> Value {
    let deadline = ContinuousClock.now + .seconds(60)
    while true {
      do {
        return try await body()
      } catch {
        guard ContinuousClock.now < deadline else { throw error }
        await Task.yield()
      }
    }
  }
}

private final class Answers: Sendable {
  private let held = Mutex<[LoggedDecision]>([])

  var all: [LoggedDecision] { held.withLock { $0 } }
  func add(_ logged: LoggedDecision) { held.withLock { $0.append(logged) } }
}
