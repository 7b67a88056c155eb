import ConsentCore
import ConsentStore
import Synchronization
import Testing

@testable import EventFeed

/// When the scheduler works, how long it holds the lock, and what it does when something fails.
@Suite struct ExpiryLoopTests {
  private let start = Instant(microseconds: 1_780_000_000_000_000)
  private let day = LocalDay(daysSince1970: 20_700)

  private func register(_ clock: ManualClock, patients: UInt64, until: Instant) async throws
    -> TestRegister
  {
    let register = try await TestRegister(clock: clock)
    for number in 1...patients {
      try await register.addPatient(number)
      try await register.addGrant(number, to: number, expiry: .date(day, until: until))
    }
    return register
  }

  @Test func theLockIsGivenBackBetweenSlices() async throws {
    let clock = ManualClock(at: start)
    let register = try await register(clock, patients: 20, until: start)
    let scheduler = ExpiryScheduler(
      store: register.store, clock: clock,
      configuration: ExpiryConfiguration(patientsPerSlice: 6, pauseMicroseconds: 0))
    let outcome = try #require(try await scheduler.tick(at: start).first)
    #expect(outcome.slices == 4)
    #expect(outcome.emitted == [.grantExpired: 20])
  }

  /// Each patient takes 9 ms: the third is begun at 18 ms, the fourth would be at 27 ms.
  @Test func aSliceEndsWhenItsTimeIsOver() async throws {
    let clock = ManualClock(at: start)
    let register = try await register(clock, patients: 7, until: start)
    let isLocked = Mutex(false)
    let scheduler = ExpiryScheduler(
      store: register.store, clock: clock,
      configuration: ExpiryConfiguration(
        lockMicroseconds: 20_000, patientsPerSlice: 100, pauseMicroseconds: 0),
      mayTrustClock: { true }, report: { _ in },
      due: { reader, at, patient in
        isLocked.withLock { $0 = reader is any FactWriter }
        clock.advance(microseconds: 9_000)
        return try DueEvents(reader, at: at).change(of: patient)
      })
    let outcome = try #require(try await scheduler.tick(at: start).first)
    #expect(outcome.longestSliceMicroseconds == 27_000)
    #expect(outcome.slices == 3)
    #expect(outcome.emitted == [.grantExpired: 7])
    #expect(isLocked.withLock { $0 })
  }

  @Test func aPatientWhoseRecordsCannotBeReadDoesNotHoldUpTheOthers() async throws {
    let clock = ManualClock(at: start)
    let register = try await register(clock, patients: 9, until: start)
    let isBroken = Mutex(true)
    let scheduler = ExpiryScheduler(
      store: register.store, clock: clock,
      configuration: ExpiryConfiguration(pauseMicroseconds: 0), mayTrustClock: { true },
      report: { _ in },
      due: { reader, at, patient in
        if patient == TestRegister.patient(4), isBroken.withLock({ $0 }) {
          throw StoreError.unreadable("test")
        }
        return try DueEvents(reader, at: at).change(of: patient)
      })
    let first = try #require(try await scheduler.tick(at: start).first)
    #expect(first.emitted == [.grantExpired: 8])
    #expect(first.failedPatients == 1)
    #expect(first.next == start.adding(microseconds: 60 * .second))
    isBroken.withLock { $0 = false }
    let second = try #require(try await scheduler.tick(at: start).first)
    #expect(second.emitted == [.grantExpired: 1])
    #expect(second.failedPatients == 0)
  }

  @Test func theLoopSleepsUntilTheNextEndAndTellsItThen() async throws {
    let clock = ManualClock(at: start)
    let until = start.adding(microseconds: 4 * .second)
    let register = try await register(clock, patients: 1, until: until)
    let (outcomes, told) = AsyncStream<ExpiryOutcome>.makeStream()
    let scheduler = ExpiryScheduler(
      store: register.store, clock: clock, report: { told.yield($0) })
    let loop = Task { await scheduler.run() }
    var rounds = outcomes.makeAsyncIterator()
    #expect(await rounds.next()?.next == until)
    await clock.sleepers(1)
    #expect(clock.nextWake == 4 * .second)
    clock.advance(microseconds: 4 * .second)
    #expect(await rounds.next()?.emitted == [.grantExpired: 1])
    await clock.sleepers(1)
    #expect(clock.nextWake == 10 * .second)
    loop.cancel()
    await loop.value
  }

  @Test func aChangeWakesTheLoopAndManyChangesCostOneRound() async throws {
    let clock = ManualClock(at: start)
    let register = try await register(
      clock, patients: 1, until: start.adding(microseconds: .microsecondsPerDay * 400))
    let (outcomes, told) = AsyncStream<ExpiryOutcome>.makeStream()
    let scheduler = ExpiryScheduler(
      store: register.store, clock: clock, report: { told.yield($0) })
    let loop = Task { await scheduler.run() }
    var rounds = outcomes.makeAsyncIterator()
    _ = await rounds.next()
    await clock.sleepers(1)
    try await register.addEvent(1, of: 1)
    try await register.addGrant(2, to: 1, expiry: .event(TestRegister.event(1)))
    try await register.resolve(1, occurred: start)
    for _ in 0..<10 { scheduler.changed(register.organization) }
    while clock.nextWake != 200_000 { await Task.yield() }
    clock.advance(microseconds: 200_000)
    #expect(await rounds.next()?.emitted == [.grantExpired: 1])
    loop.cancel()
    await loop.value
    told.finish()
    #expect(await rounds.next() == nil)
  }

  @Test func aFailingStoreIsAskedLessAndLessOften() async throws {
    let clock = ManualClock(at: start)
    let register = try await register(clock, patients: 1, until: start)
    let isBroken = Mutex(true)
    let (outcomes, told) = AsyncStream<ExpiryOutcome>.makeStream()
    let scheduler = ExpiryScheduler(
      store: register.store, clock: clock,
      configuration: ExpiryConfiguration(
        longestSleepMicroseconds: 600 * .second, firstRetryMicroseconds: .second,
        longestRetryMicroseconds: 4 * .second),
      mayTrustClock: { true }, report: { told.yield($0) },
      due: { reader, at, patient in
        if isBroken.withLock({ $0 }) { throw StoreError.unavailable("test") }
        return try DueEvents(reader, at: at).change(of: patient)
      })
    let loop = Task { await scheduler.run() }
    var rounds = outcomes.makeAsyncIterator()
    for delay in [1, 2, 4, 4] as [Int64] {
      #expect(await rounds.next()?.failure == .unavailable("test"))
      await clock.sleepers(1)
      #expect(clock.nextWake == delay * .second)
      // A change is no reason to ask a failing store sooner.
      scheduler.changed(register.organization)
      while clock.nextWake != delay * .second { await Task.yield() }
      if delay == 4 { isBroken.withLock { $0 = false } }
      clock.advance(microseconds: delay * .second)
      if !isBroken.withLock({ $0 }) { break }
    }
    let recovered = await rounds.next()
    #expect(recovered?.failure == nil)
    #expect(recovered?.emitted == [.grantExpired: 1])
    #expect(recovered?.lagMicroseconds == 7 * .second)
    loop.cancel()
    await loop.value
  }
}
