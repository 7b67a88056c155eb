import ConsentCore
import EmbeddedPostgres
import Postgres
import Synchronization
import Testing

@testable import ConsentStore

/// Changes that share a transaction fare as if each had had its own.
@Suite(.fewAtOnce, .timeLimit(.minutes(3))) struct GroupCommitTests {
  @Test func changesThatWaitShareOneTransaction() async throws {
    let database = try await TestDatabase.shared.value
    let bench = try await Together.open()
    let outcomes = try await bench.write((0..<20).map { _ in .tell() })
    #expect(outcomes.map(\.positions) == (1...20).map { [UInt64($0)] })
    #expect(outcomes.compactMap(\.receipt).map(\.head.position) == Array(1...20))
    let rows = try await bench.rows()
    try expectChained(rows, organization: bench.organization)
    #expect(outcomes.compactMap(\.receipt).map(\.head.chain) == rows.map(\.chain))
    #expect(try bench.transactions(database) == 1)
    await bench.store.close()
  }

  @Test func aGroupIsBoundedByNumberAndByTime() async throws {
    let database = try await TestDatabase.shared.value
    let few = try await Together.open { $0.writeGroupLimit = 8 }
    #expect(try await few.write((0..<20).map { _ in .tell() }).allSatisfy { $0.error == nil })
    #expect(try few.transactions(database) == 3)
    await few.store.close()

    let short = try await Together.open { $0.writeLockTime = .zero }
    let outcomes = try await short.write((0..<6).map { _ in .tell() })
    // Whoever was not begun keeps its place.
    #expect(outcomes.map(\.positions) == (1...6).map { [UInt64($0)] })
    #expect(try short.transactions(database) == 6)
    await short.store.close()
  }

  @Test func aFullQueueRefusesAndBeginsNothing() async throws {
    let bench = try await Together.open { $0.writeQueueLimit = 3 }
    let outcomes = try await bench.write((0..<3).map { _ in .tell() }) {
      await #expect(throws: StoreError.overloaded) {
        try await bench.store.write(bench.organization, by: "late", key: nil) { _ in
          Issue.record("the body ran")
          return []
        }
      }
    }
    #expect(outcomes.allSatisfy { $0.error == nil })
    #expect(try await bench.rows().count == 3)
    await bench.store.close()
  }

  @Test func organizationsTakeTurns() async throws {
    let one = try await Together.open { $0.writeGroupLimit = 1 }
    let settings = OrganizationSettings(id: random(), name: "Other", timeZone: "UTC")
    try await one.store.createOrganization(settings)
    let order = Gathered<String>()
    let busy = (0..<8).map { number in
      Together.Write { _ in
        order.add(["busy \(number)"])
        return []
      }
    }
    let others = Gathered<Task<WriteReceipt, any Error>>()
    _ = try await one.write(busy) {
      let task = Task {
        try await one.store.write(settings.id, by: "other", key: nil) { _ in
          order.add(["other"])
          return []
        }
      }
      others.add([task])
      // Two jobs wait in the lane: one an organization, whatever their queues hold.
      while one.store.writes.load < 3 { await Task.yield() }
    }
    for task in others.all { _ = try await task.value }
    #expect(order.all.prefix(2).contains("other"))
    await one.store.close()
  }

  @Test func closingWaitsForTheChangesTaken() async throws {
    let bench = try await Together.open()
    let closing = Gathered<Task<Void, Never>>()
    let outcomes = try await bench.write((0..<5).map { _ in .tell() }) {
      let task = Task { await bench.store.writers.close() }
      closing.add([task])
    }
    #expect(outcomes.allSatisfy { $0.error == nil })
    for task in closing.all { await task.value }
    await #expect(throws: StoreError.self) {
      try await bench.store.write(bench.organization, by: "late", key: nil) { _ in [] }
    }
    await bench.store.close()
  }

  @Test func oneKeyUsedTwiceInAGroupActsOnce() async throws {
    let bench = try await Together.open()
    func key(_ content: UInt8) -> IdempotencyKey {
      IdempotencyKey(
        caller: "ehr", key: "twice", contentSHA256: [UInt8](repeating: content, count: 32))
    }
    func use(_ content: UInt8) -> Together.Write {
      Together.Write(key: key(content), Together.Write.tell().body)
    }
    let outcomes = try await bench.write([.tell(), use(1), use(1), use(2), .tell(), use(1)])
    #expect(outcomes.map(\.positions) == [[1], [2], [2], nil, [3], [2]])
    #expect(outcomes.map { $0.receipt?.replayed } == [false, false, true, nil, false, true])
    #expect(outcomes[3].error as? StoreError == .idempotencyConflict)
    #expect(outcomes[2].receipt?.head == outcomes[1].receipt?.head)
    #expect(outcomes[5].receipt?.head == outcomes[1].receipt?.head)
    let later = try await bench.write([use(1)])
    #expect(later[0].receipt?.head == outcomes[1].receipt?.head)
    await bench.store.close()
  }

  @Test func overridesInOneGroupAreLoggedWithTheirEvents() async throws {
    let bench = try await Together.open()
    let ids = Gathered<String>()
    let overrides = (0..<4).map { number in
      Together.Write { writer in
        let logged = try writer.log([
          Build.decision(Build.key(number), at: writer.now, position: writer.head.position)
        ])
        let subject = logged[0].id.text
        ids.add([subject])
        return try writer.append(Change(events: [Build.event(.emergencyOverrideUsed, subject)]))
          .bytes
      }
    }
    let outcomes = try await bench.write(overrides + [.tell()])
    #expect(outcomes.map(\.positions) == (1...5).map { [UInt64($0)] })
    let listed = try await bench.read { try $0.decisions(DecisionFilter(), limit: 99) }
    #expect(Set(listed.map(\.id.text)) == Set(ids.all))
    #expect(listed.count == 4)
    #expect(Set(listed.map(\.head.position)) == [0, 1, 2, 3])
    await bench.store.close()
  }

  @Test func knownFollowsNoClockThatGoesBack() async throws {
    let bench = try await Together.open(clock: BackwardClock())
    let outcomes = try await bench.write((0..<9).map { _ in .tell() })
    #expect(outcomes.allSatisfy { $0.error == nil })
    let known = try await bench.rows().map(\.known)
    #expect(known == known.sorted())
    #expect(Set(known).count == 1)
    await bench.store.close()
  }
}

/// Each look is an hour before the last.
private final class BackwardClock: WallClock {
  private let hours = Mutex<Int64>(0)

  func now() -> Instant {
    let hours = hours.withLock { hours in
      hours -= 1
      return hours
    }
    return Instant(microseconds: 1_780_272_000_000_000).plus(hours: hours)
  }
}
