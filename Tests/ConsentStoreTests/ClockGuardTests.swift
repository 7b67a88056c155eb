import ConsentCore
import Synchronization
import Testing

@testable import ConsentStore

@Suite struct ClockGuardTests {
  static let start = Instant(microseconds: 1_780_272_000_000_000)
  static let second: Int64 = 1_000_000

  /// Both clocks after a start at (`start`, 0).
  private func look(
    _ guarded: inout ClockGuard, uptime: Int64, wall: Int64
  ) -> Int64 {
    let now = guarded.look(
      wall: Self.start.adding(microseconds: wall * Self.second), uptime: uptime * Self.second)
    return (now.microseconds - Self.start.microseconds) / Self.second
  }

  @Test(
    arguments: [
      // uptime, wall, the time given out, the state after it; in seconds, limit 10.
      (100, 100, 100, ClockGuard.State.steady), (100, 109, 109, .steady), (100, 91, 91, .steady),
      (100, 111, 100, .steppedForward(by: 11 * second)),
      (100, 3_700, 100, .steppedForward(by: 3_600 * second)),
      (100, 89, 100, .steppedBack(by: 11 * second)),
      (100, -86_300, 100, .steppedBack(by: 86_400 * second)),
    ] as [(Int64, Int64, Int64, ClockGuard.State)])
  func aStepIsJudgedByTheMonotonicClock(
    uptime: Int64, wall: Int64, given: Int64, state: ClockGuard.State
  ) {
    var guarded = ClockGuard(wall: Self.start, uptime: 0)
    #expect(look(&guarded, uptime: uptime, wall: wall) == given)
    #expect(guarded.state == state)
  }

  @Test func aStepThatIsTakenBackIsForgotten() {
    var guarded = ClockGuard(wall: Self.start, uptime: 0)
    #expect(look(&guarded, uptime: 10, wall: 5_000) == 10)
    #expect(guarded.state.isDoubt)
    #expect(look(&guarded, uptime: 20, wall: 20) == 20)
    #expect(guarded.state == .steady)
  }

  @Test func manySmallStepsAreOneLargeOne() {
    var guarded = ClockGuard(wall: Self.start, uptime: 0)
    for step in 1...4 { _ = look(&guarded, uptime: Int64(step), wall: Int64(step * 4)) }
    #expect(guarded.state == .steppedForward(by: 12 * Self.second))
  }

  @Test func anOperatorsWordEndsTheDoubtEitherWay() {
    for wall in [Int64(9_000), -9_000] {
      var guarded = ClockGuard(wall: Self.start, uptime: 0)
      #expect(look(&guarded, uptime: 10, wall: wall) == 10)
      guarded.confirm(
        wall: Self.start.adding(microseconds: wall * Self.second), uptime: 10 * Self.second)
      #expect(guarded.state == .steady)
      #expect(look(&guarded, uptime: 11, wall: wall + 1) == wall + 1)
    }
  }

  @Test func aStartIsComparedWithTheNewestRecord() {
    func state(newest: Int64?) -> ClockGuard.State {
      var guarded = ClockGuard(wall: Self.start, uptime: 0)
      guarded.compare(
        newestRecord: newest.map { Self.start.adding(microseconds: -$0 * Self.second) })
      _ = look(&guarded, uptime: 1, wall: 1)
      return guarded.state
    }
    let day: Int64 = 86_400
    #expect(state(newest: nil) == .steady)
    #expect(state(newest: 30 * day) == .steady)
    #expect(state(newest: 31 * day) == .startedLate(by: 31 * day * Self.second))
    #expect(state(newest: -9) == .steady)
    #expect(state(newest: -11) == .startedEarly(by: 11 * Self.second))
    #expect(state(newest: 31 * day).isDoubt && state(newest: -11).isDoubt)
  }

  @Test func theEndsOfTheRangeDoNotTrap() {
    for (wall, uptime) in [
      (Instant.distantPast, Int64.min), (.distantFuture, .max), (.distantPast, .max),
      (.distantFuture, .min),
    ] {
      for (start, then) in [(Instant.distantPast, Int64.max), (.distantFuture, .min)] {
        var guarded = ClockGuard(wall: start, uptime: then)
        guarded.compare(newestRecord: wall)
        _ = guarded.look(wall: wall, uptime: uptime)
        _ = guarded.state.text
      }
    }
  }

  /// Whatever the wall clock does, the time given out never goes back, never parts further from the
  /// time that passed than the limit, and the guard says when the wall clock did.
  private func fault(
    seed: UInt64, _ read: (inout ClockGuard, Instant, Int64) -> Instant
  ) -> String? {
    var generator = SeededGenerator(seed: seed)
    var guarded = ClockGuard(wall: Self.start, uptime: 0)
    var (uptime, offset, last) = (Int64(0), Int64(0), Self.start)
    for _ in 0..<300 {
      uptime += Int64.random(in: 0...(60 * Self.second), using: &generator)
      if Int.random(in: 0..<8, using: &generator) == 0 {
        offset = Int64.random(in: -7_200 * Self.second...7_200 * Self.second, using: &generator)
      }
      let passed = Self.start.adding(microseconds: uptime)
      let now = read(&guarded, passed.adding(microseconds: offset), uptime)
      if now < last { return "went back" }
      if abs(now.microseconds - passed.microseconds) > 10 * Self.second { return "followed a step" }
      if guarded.state.isDoubt != (offset > 10 * Self.second) { return "wrong doubt" }
      last = now
    }
    return nil
  }

  @Test(arguments: [UInt64.random(in: 0...(.max)), 1, 2, 3])
  func theTimeGivenOutIsTheTimeThatPassed(seed: UInt64) {
    print("seed \(seed)")
    #expect(fault(seed: seed) { $0.look(wall: $1, uptime: $2) } == nil, "seed \(seed)")
  }

  /// The broken variants: a bare wall clock, and one that is only kept from going back.
  @Test func clocksWithoutAGuardAreFound() {
    #expect(
      fault(seed: 1) { guarded, wall, uptime in
        _ = guarded.look(wall: wall, uptime: uptime)
        return wall
      } != nil)
    var highest = Self.start
    #expect(
      fault(seed: 1) { guarded, wall, uptime in
        _ = guarded.look(wall: wall, uptime: uptime)
        highest = max(highest, wall)
        return highest
      } != nil)
  }
}

/// What a clock in doubt stops.
@Suite(.fewAtOnce) struct ClockDoubtTests {
  private final class Uptime: Sendable {
    let hours = Mutex<Int64>(0)
  }

  @Test(arguments: Backend.allCases)
  func nothingIsPermittedByAClockInDoubt(backend: Backend) async throws {
    let (wall, uptime) = (ManualClock(), Uptime())
    let clock = GuardedClock(
      wall, uptime: { uptime.hours.withLock { $0 * .microsecondsPerHour } })
    let store: any ConsentStore =
      switch backend {
      case .memory: MemoryConsentStore(clock: clock)
      case .postgres: try await TestDatabase.shared.value.store(clock: clock)
      }
    let settings = OrganizationSettings(id: random(), name: "Clinic", timeZone: "UTC")
    try await store.createOrganization(settings)
    func decide(_ effect: Effect) async throws -> LoggedDecision {
      try await store.decide(settings.id) { reader in
        [
          Build.decision(
            Build.key(1), at: reader.now, position: reader.head.position, effect: effect)
        ]
      }[0]
    }
    let start = wall.now()
    _ = try await decide(.permit)
    wall.move(hours: 5)
    let refused = await #expect(throws: StoreError.self) { try await decide(.permit) }
    guard case .unavailable(let why) = refused, why.contains("stepped forward") else {
      Issue.record("refused otherwise: \(String(describing: refused))")
      return
    }
    // A refusal goes on, and nothing is stamped with the time that nobody confirmed.
    #expect(try await decide(.deny).entry.decision.at == start)
    _ = try await store.write(settings.id, by: "t", key: nil) {
      try $0.append(Build.patient(random())).bytes
    }
    #expect(try await store.read(settings.id) { $0.head.known } == start)
    clock.confirm()
    #expect(try await decide(.permit).entry.decision.at == start.plus(hours: 5))

    // Set back, the time goes on with the hours that pass.
    wall.move(hours: -4)
    uptime.hours.withLock { $0 += 2 }
    #expect(try await decide(.permit).entry.decision.at == start.plus(hours: 7))
    await store.close()
  }
}
