import ConsentCore
import ConsentStore
import Testing

@testable import EventFeed

/// What is told, and for which instant.
@Suite struct ExpirySchedulerTests {
  let clock = ManualClock()
  private var start: Instant { Instant(microseconds: 1_780_000_000_000_000) }
  private let day = LocalDay(daysSince1970: 20_700)

  private func makeScheduler(_ register: TestRegister) -> ExpiryScheduler {
    ExpiryScheduler(
      store: register.store, clock: clock,
      configuration: ExpiryConfiguration(pauseMicroseconds: 0))
  }

  private func tick(_ scheduler: ExpiryScheduler, at instant: Instant) async throws
    -> ExpiryOutcome
  {
    clock.set(instant)
    return try #require(try await scheduler.tick(at: instant).first)
  }

  @Test func aDateEndIsToldAtItsInstantAndNotAMicrosecondBefore() async throws {
    let register = try await TestRegister(clock: clock)
    let until = start.adding(microseconds: .microsecondsPerHour)
    try await register.addPatient(1)
    try await register.addGrant(1, to: 1, expiry: .date(day, until: until))
    let scheduler = makeScheduler(register)
    let before = try await tick(scheduler, at: until.adding(microseconds: -1))
    #expect(before.emitted[.grantExpired] == nil)
    #expect(before.next == until)
    let then = try await tick(scheduler, at: until)
    #expect(then.emitted[.grantExpired] == 1)
    let rows = try await register.rows(.grantExpired)
    #expect(rows.map(\.event.occurred) == [until])
    #expect(rows.first?.event.grants == [TestRegister.grant(1)])
    #expect(rows.first?.event.images == [.sopInstance("1.2.2")])
    #expect(try await register.ends().map(\.ended) == [until])
    #expect(try await tick(scheduler, at: until).emitted.isEmpty)
  }

  @Test func anEndWhileNothingRanIsToldOnceForItsExactInstant() async throws {
    let register = try await TestRegister(clock: clock)
    let until = start.adding(microseconds: .microsecondsPerHour)
    try await register.addPatient(1)
    try await register.addGrant(1, to: 1, expiry: .date(day, until: until))
    let late = until.adding(microseconds: 3 * .microsecondsPerDay)
    let outcome = try await tick(makeScheduler(register), at: late)
    #expect(outcome.emitted[.grantExpired] == 1)
    #expect(outcome.lagMicroseconds == 3 * .microsecondsPerDay)
    #expect(try await tick(makeScheduler(register), at: late).emitted.isEmpty)
    let rows = try await register.rows(.grantExpired)
    #expect(rows.map(\.event.occurred) == [until])
    #expect(rows.map(\.known) == [late])
  }

  @Test func theClockAllowanceDelaysTheEventAndNotItsInstant() async throws {
    let register = try await TestRegister(clock: clock)
    let until = start.adding(microseconds: .microsecondsPerHour)
    try await register.setPolicy(1) { $0.clockAllowanceMicroseconds = 2 * .second }
    try await register.addPatient(1)
    try await register.addGrant(1, to: 1, expiry: .date(day, until: until))
    let scheduler = makeScheduler(register)
    let before = try await tick(scheduler, at: until.adding(microseconds: 2 * .second - 1))
    #expect(before.emitted[.grantExpired] == nil)
    #expect(before.next == until.adding(microseconds: 2 * .second))
    #expect(
      try await tick(scheduler, at: until.adding(microseconds: 2 * .second))
        .emitted[.grantExpired] == 1)
    #expect(try await register.rows(.grantExpired).map(\.event.occurred) == [until])
  }

  @Test func anEndAtMajorityIsToldAtThatMidnight() async throws {
    let register = try await TestRegister(clock: clock)
    let majority = start.adding(microseconds: 5 * .microsecondsPerDay)
    try await register.addPatient(1, majority: majority)
    try await register.addPatient(2, majority: nil)
    try await register.addGrant(1, to: 1, expiry: .majority)
    try await register.addGrant(2, to: 2, expiry: .majority)
    let scheduler = makeScheduler(register)
    _ = try await tick(scheduler, at: majority.adding(microseconds: -1))
    #expect(try await register.rows(.grantExpired).isEmpty)
    _ = try await tick(scheduler, at: majority)
    let rows = try await register.rows(.grantExpired)
    #expect(rows.map(\.event.grants) == [[TestRegister.grant(1)]])
    #expect(rows.map(\.event.occurred) == [majority])
  }

  /// DOMAIN scenario 6: what occurred earlier and is recorded now ends the grant from now.
  @Test func aNamedEventEndsItsGrantsFromTheLaterOfOccurredAndRecorded() async throws {
    let register = try await TestRegister(clock: clock)
    for patient: UInt64 in 1...3 { try await register.addPatient(patient) }
    try await register.addEvent(1, of: 1)
    try await register.addEvent(2, of: nil)
    try await register.addGrant(1, to: 1, expiry: .event(TestRegister.event(1)))
    try await register.addGrant(2, to: 2, expiry: .event(TestRegister.event(2)))
    try await register.addGrant(3, to: 3, expiry: .event(TestRegister.event(2)))
    let scheduler = makeScheduler(register)
    let recorded = start.adding(microseconds: 6 * .microsecondsPerDay)
    #expect(try await tick(scheduler, at: recorded).emitted.isEmpty)
    try await register.resolve(1, occurred: start)
    #expect(try await tick(scheduler, at: recorded).emitted == [.grantExpired: 1])
    try await register.resolve(2, occurred: start)
    #expect(try await tick(scheduler, at: recorded).emitted == [.grantExpired: 2])
    let rows = try await register.rows(.grantExpired)
    #expect(Set(rows.flatMap(\.event.grants)) == Set((1...3).map(TestRegister.grant)))
    #expect(rows.allSatisfy { $0.event.occurred == recorded })
  }

  @Test func aRevokedGrantDoesNotExpireAndAnExpiredOneIsRevokedWithItsOwnEvent() async throws {
    let register = try await TestRegister(clock: clock)
    let until = start.adding(microseconds: .microsecondsPerHour)
    try await register.addPatient(1)
    try await register.addGrant(1, to: 1, expiry: .date(day, until: until))
    try await register.addGrant(2, to: 1, expiry: .date(day, until: until))
    try await register.revoke(1, of: 1)
    let scheduler = makeScheduler(register)
    _ = try await tick(scheduler, at: until)
    try await register.revoke(2, of: 1)
    _ = try await tick(scheduler, at: until.adding(microseconds: 1))
    #expect(
      try await register.rows(.grantRevoked).flatMap(\.event.grants) == [TestRegister.grant(1)])
    #expect(
      try await register.rows(.grantExpired).flatMap(\.event.grants) == [TestRegister.grant(2)])
    #expect(try await register.rows(.endedGrantRevoked).count == 1)
    #expect(try await register.ends().map(\.kind) == [.grantRevoked, .grantExpired])
  }

  @Test func anActivationIsToldWhenAGrantTakesEffectAfterItsRecording() async throws {
    let register = try await TestRegister(clock: clock)
    let from = start.adding(microseconds: .microsecondsPerDay)
    try await register.addPatient(1)
    try await register.addGrant(1, to: 1, expiry: .none, from: from)
    try await register.addGrant(2, to: 1, expiry: .none, from: start)
    let scheduler = makeScheduler(register)
    #expect(try await tick(scheduler, at: from.adding(microseconds: -1)).emitted.isEmpty)
    #expect(try await tick(scheduler, at: from).emitted == [.grantActivated: 1])
    #expect(try await tick(scheduler, at: from).emitted.isEmpty)
    #expect(try await register.rows(.grantActivated).map(\.event.occurred) == [from])
  }

  @Test func theLeadTimesOfThePolicyAreToldOnceEach() async throws {
    let register = try await TestRegister(clock: clock)
    let until = start.adding(microseconds: 40 * .microsecondsPerDay)
    try await register.addPatient(1)
    try await register.addGrant(1, to: 1, expiry: .date(day, until: until))
    let scheduler = makeScheduler(register)
    var told: [Int] = []
    for remaining in stride(from: Int64(40), through: 1, by: -1) {
      let at = until.adding(microseconds: -remaining * .microsecondsPerDay)
      if try await tick(scheduler, at: at).emitted[.grantExpiringSoon] == 1 {
        told.append(Int(remaining))
      }
    }
    #expect(told == [30, 7])
    #expect(
      try await register.rows(.grantExpiringSoon).map(\.event.occurred)
        == [30, 7].map { until.adding(microseconds: -$0 * .microsecondsPerDay) })
  }

  @Test func aGrantRecordedWithinALeadTimeIsToldOnceForTheShortest() async throws {
    let register = try await TestRegister(clock: clock)
    let until = start.adding(microseconds: 3 * .microsecondsPerDay)
    try await register.addPatient(1)
    let scheduler = makeScheduler(register)
    #expect(try await tick(scheduler, at: start).emitted.isEmpty)
    try await register.addGrant(1, to: 1, expiry: .date(day, until: until))
    #expect(try await tick(scheduler, at: start).emitted == [.grantExpiringSoon: 1])
    #expect(try await tick(scheduler, at: start).emitted.isEmpty)
  }

  @Test func aLongerLeadTimeInANewPolicyReachesGrantsAlreadyRecorded() async throws {
    let register = try await TestRegister(clock: clock)
    let until = start.adding(microseconds: 50 * .microsecondsPerDay)
    try await register.addPatient(1)
    try await register.addGrant(1, to: 1, expiry: .date(day, until: until))
    let scheduler = makeScheduler(register)
    #expect(try await tick(scheduler, at: start).emitted.isEmpty)
    try await register.setPolicy(1) { $0.expiringSoonDays = [60] }
    #expect(try await tick(scheduler, at: start).emitted == [.grantExpiringSoon: 1])
  }

  @Test func aLongerLeadTimeReachesGrantsWhenItsPolicyTakesEffect() async throws {
    let register = try await TestRegister(clock: clock)
    let until = start.adding(microseconds: 50 * .microsecondsPerDay)
    try await register.addPatient(1)
    try await register.addGrant(1, to: 1, expiry: .date(day, until: until))
    let effective = start.adding(microseconds: 2 * .microsecondsPerDay)
    try await register.setPolicy(1) {
      $0.effective = effective
      $0.expiringSoonDays = [60]
    }
    let scheduler = makeScheduler(register)
    let before = try await tick(scheduler, at: effective.adding(microseconds: -1))
    #expect(before.emitted.isEmpty)
    #expect(before.next == effective)
    #expect(try await tick(scheduler, at: effective).emitted == [.grantExpiringSoon: 1])
  }

  @Test func aShorterClockAllowanceReachesEndsWhenItsPolicyTakesEffect() async throws {
    let register = try await TestRegister(clock: clock)
    let until = start.adding(microseconds: .microsecondsPerHour)
    let effective = until.adding(microseconds: 2 * .second)
    try await register.setPolicy(1) { $0.clockAllowanceMicroseconds = 10 * .second }
    try await register.setPolicy(2) {
      $0.effective = effective
      $0.clockAllowanceMicroseconds = 0
    }
    try await register.addPatient(1)
    try await register.addGrant(1, to: 1, expiry: .date(day, until: until))
    let scheduler = makeScheduler(register)
    let before = try await tick(scheduler, at: effective.adding(microseconds: -1))
    #expect(before.emitted[.grantExpired] == nil)
    #expect(try await tick(scheduler, at: effective).emitted[.grantExpired] == 1)
  }

  @Test func anUnresolvedNamedEventIsToldAsOverdueOnce() async throws {
    let register = try await TestRegister(clock: clock)
    let expected = start.adding(microseconds: .microsecondsPerDay)
    try await register.addPatient(1)
    try await register.addEvent(1, of: 1, expectedBy: expected)
    try await register.addEvent(2, of: nil, expectedBy: expected)
    try await register.addGrant(1, to: 1, expiry: .event(TestRegister.event(1)))
    try await register.addGrant(2, to: 1, expiry: .event(TestRegister.event(2)))
    let scheduler = makeScheduler(register)
    #expect(try await tick(scheduler, at: expected.adding(microseconds: -1)).emitted.isEmpty)
    #expect(try await tick(scheduler, at: expected).emitted == [.expiryEventOverdue: 2])
    #expect(try await tick(scheduler, at: expected).emitted.isEmpty)
    let rows = try await register.rows(.expiryEventOverdue)
    #expect(Set(rows.map(\.event.patient)) == [nil, TestRegister.patient(1)])
    #expect(rows.allSatisfy { $0.event.occurred == expected })
  }

  @Test func aClockSetBackUndoesNothingAndRepeatsNothing() async throws {
    let register = try await TestRegister(clock: clock)
    let until = start.adding(microseconds: .microsecondsPerHour)
    let later = until.adding(microseconds: 3 * .microsecondsPerHour)
    try await register.addPatient(1)
    try await register.addGrant(1, to: 1, expiry: .date(day, until: until))
    let scheduler = makeScheduler(register)
    _ = try await tick(scheduler, at: later)
    clock.set(start)
    // Recorded while the clock is wrong, with an end between the two times.
    let second = until.adding(microseconds: .microsecondsPerHour)
    try await register.addGrant(2, to: 1, expiry: .date(day, until: second))
    #expect(try await tick(scheduler, at: start).emitted[.grantExpired] == nil)
    #expect(try await register.ends().count == 1)
    #expect(try await tick(scheduler, at: second).emitted == [.grantExpired: 1])
    #expect(try await tick(scheduler, at: later).emitted.isEmpty)
  }

  @Test func aClockThatIsNotTrustedExpiresNothing() async throws {
    let register = try await TestRegister(clock: clock)
    try await register.addPatient(1)
    try await register.addGrant(1, to: 1, expiry: .date(day, until: start))
    let scheduler = ExpiryScheduler(
      store: register.store, clock: clock, mayTrustClock: { false })
    #expect(try await scheduler.tick(at: start).isEmpty)
    #expect(try await register.rows(.grantExpired).isEmpty)
  }

  @Test func organizationsAreWorkedOnApartFromEachOther() async throws {
    let first = try await TestRegister(clock: clock)
    let second = try await TestRegister(
      clock: clock, store: first.store, organization: OrganizationID(high: 1, low: 2))
    for register in [first, second] {
      try await register.addPatient(1)
      try await register.addGrant(1, to: 1, expiry: .date(day, until: start))
    }
    let scheduler = ExpiryScheduler(
      store: first.store, clock: clock, configuration: .init(), mayTrustClock: { true },
      report: { _ in },
      due: { reader, at, patient in
        if reader.organization.id == first.organization { throw StoreError.unavailable("test") }
        return try DueEvents(reader, at: at).change(of: patient)
      })
    let outcomes = try await scheduler.tick(at: start)
    #expect(outcomes.map(\.failure) == [.unavailable("test"), nil])
    #expect(try await first.rows(.grantExpired).isEmpty)
    #expect(try await second.rows(.grantExpired).count == 1)
  }
}
