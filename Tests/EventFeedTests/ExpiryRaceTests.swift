import ConsentCore
import ConsentStore
import Synchronization
import Testing

@testable import EventFeed

/// Invariant I4 under many schedulers, broken-off rounds and a clock that steps.
@Suite struct ExpiryRaceTests {
  private static let start = Instant(microseconds: 1_780_000_000_000_000)
  private static let day = LocalDay(daysSince1970: 20_700)
  private static let hour = Int64.microsecondsPerHour

  /// A register in which the expected ends are known by construction.
  private struct Scenario: Sendable {
    var register: TestRegister
    var expected: [GrantID: Instant] = [:]
    var last = ExpiryRaceTests.start
  }

  private static func makeScenario(
    _ clock: ManualClock, patients: UInt64, seed: UInt64
  ) async throws -> Scenario {
    var random = SeededGenerator(seed: seed)
    var scenario = Scenario(register: try await TestRegister(clock: clock))
    var grant: UInt64 = 0
    for patient in 1...patients {
      let majority = start.adding(microseconds: .random(in: 0...50, using: &random) * hour)
      try await scenario.register.addPatient(patient, majority: majority)
      for _ in 0..<Int.random(in: 1...3, using: &random) {
        grant += 1
        let until = start.adding(microseconds: .random(in: 0...50, using: &random) * hour)
        let isMajority = Int.random(in: 0..<3, using: &random) == 0
        try await scenario.register.addGrant(
          grant, to: patient, expiry: isMajority ? .majority : .date(day, until: until),
          effect: Bool.random(using: &random) ? .permit : .deny)
        let end = isMajority ? majority : until
        scenario.expected[TestRegister.grant(grant)] = end
        scenario.last = max(scenario.last, end)
      }
    }
    return scenario
  }

  /// What is wrong with the ends told.
  private static func violations(_ scenario: Scenario) async throws -> [String] {
    var told: [GrantID: [Instant]] = [:]
    for row in try await scenario.register.rows(.grantExpired) {
      for grant in row.event.grants { told[grant, default: []].append(row.event.occurred) }
    }
    var found: [String] = []
    for (grant, end) in scenario.expected {
      if told[grant] != [end] {
        found.append("grant \(grant.low): \(told[grant]?.count ?? 0) events")
      }
    }
    let ends = try await scenario.register.ends()
    if Set(ends.map(\.grant)).count != scenario.expected.count { found.append("grant_end differs") }
    return found
  }

  @Test(arguments: [1, 2, 3, 4, 5, 6] as [UInt64])
  func racingSchedulersTellEachEndOnce(seed: UInt64) async throws {
    let clock = ManualClock(at: Self.start)
    let scenario = try await Self.makeScenario(clock, patients: 25, seed: seed)
    let store = scenario.register.store
    let last = scenario.last
    let reports = Recorder<ExpiryOutcome>()
    clock.set(scenario.last)
    try await withThrowingTaskGroup(of: Void.self) { group in
      for node in 0..<4 {
        group.addTask {
          let scheduler = ExpiryScheduler(
            store: store, clock: clock,
            configuration: ExpiryConfiguration(
              patientsPerSlice: 1 + node, patientsPerPage: 3 + node, pauseMicroseconds: 0),
            report: { reports.record($0) })
          for _ in 0..<3 { try await scheduler.tick(at: last) }
        }
      }
      try await group.waitForAll()
    }
    let violations = try await Self.violations(scenario)
    #expect(violations.isEmpty, "seed \(seed): \(violations)")
    // Losing the race is finding nothing to do, never an error.
    #expect(reports.values.allSatisfy { $0.failedPatients == 0 && $0.failure == nil })
  }

  /// Ticks at random instants, back and forth, by nodes that come and go, some of which die in
  /// the middle of a round.
  @Test(arguments: [11, 12, 13, 14, 15, 16, 17, 18] as [UInt64])
  func whateverCrashesInBetweenEachEndIsToldOnce(seed: UInt64) async throws {
    var random = SeededGenerator(seed: seed)
    let clock = ManualClock(at: Self.start)
    let scenario = try await Self.makeScenario(clock, patients: 12, seed: seed)
    for _ in 0..<20 {
      let at = Self.start.adding(microseconds: .random(in: -10...55, using: &random) * Self.hour)
      clock.set(at)
      let calls = Mutex(Int.random(in: 0...40, using: &random))
      let scheduler = ExpiryScheduler(
        store: scenario.register.store, clock: clock,
        configuration: ExpiryConfiguration(patientsPerSlice: 3, pauseMicroseconds: 0),
        mayTrustClock: { true }, report: { _ in },
        due: { reader, at, patient in
          let survives = calls.withLock { calls in
            calls -= 1
            return calls >= 0
          }
          guard survives else { throw StoreError.unavailable("crash") }
          return try DueEvents(reader, at: at).change(of: patient)
        })
      for _ in 0..<Int.random(in: 1...3, using: &random) { try await scheduler.tick(at: at) }
      // Nothing is told before its instant.
      for row in try await scenario.register.rows(.grantExpired) {
        #expect(row.event.occurred <= row.known, "seed \(seed)")
      }
    }
    clock.set(scenario.last)
    try await ExpiryScheduler(store: scenario.register.store, clock: clock)
      .tick(at: scenario.last)
    let violations = try await Self.violations(scenario)
    #expect(violations.isEmpty, "seed \(seed): \(violations)")
  }

  /// The same check on a scheduler that neither looks for ends nor records them.
  @Test func aSchedulerWithoutGrantEndsTellsTwiceAndIsCaught() async throws {
    let clock = ManualClock(at: Self.start)
    let scenario = try await Self.makeScenario(clock, patients: 10, seed: 21)
    clock.set(scenario.last)
    for node in 0..<2 {
      let scheduler = ExpiryScheduler(
        store: scenario.register.store, clock: clock, configuration: .init(),
        mayTrustClock: { true }, report: { _ in },
        due: { reader, at, patient in
          guard let patient else { return nil }
          let due = try reader.facts(patients: [patient], asOf: nil).dueEnds(at: at)
          var change = Change(events: due.flatMap(\.change.events))
          for index in change.events.indices { change.events[index].subject += " \(node)" }
          return change.events.isEmpty ? nil : change
        })
      try await scheduler.tick(at: scenario.last)
    }
    #expect(try await !Self.violations(scenario).isEmpty)
  }
}
