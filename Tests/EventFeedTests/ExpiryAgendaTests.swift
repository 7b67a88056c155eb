import ConsentCore
import Testing

@testable import EventFeed

@Suite struct ExpiryAgendaTests {
  private let now = Instant(microseconds: 1_000_000)
  private let first = OrganizationID(high: 0, low: 1)
  private let second = OrganizationID(high: 0, low: 2)

  private func makeAgenda() -> ExpiryAgenda {
    var agenda = ExpiryAgenda()
    agenda.follow([first, second])
    for organization in [first, second] {
      agenda.begin(organization)
      agenda.finish(organization, nextDue: nil, settledAt: 0)
    }
    return agenda
  }

  @Test func aNewOrganizationIsReadyAtOnce() {
    var agenda = ExpiryAgenda()
    agenda.follow([first])
    #expect(agenda.ready(at: now, uptime: 0) == [first])
    #expect(agenda.sleep(at: now, uptime: 0, longest: 100) == 0)
  }

  @Test func nothingPlannedMeansTheLongestSleep() {
    #expect(makeAgenda().ready(at: now, uptime: 0).isEmpty)
    #expect(makeAgenda().sleep(at: now, uptime: 0, longest: 100) == 100)
  }

  @Test func anOrganizationIsReadyAtItsInstantAndTheLongestDueFirst() {
    var agenda = makeAgenda()
    agenda.finish(first, nextDue: now.adding(microseconds: 10), settledAt: 0)
    agenda.finish(second, nextDue: now.adding(microseconds: 5), settledAt: 0)
    #expect(agenda.sleep(at: now, uptime: 0, longest: 100) == 5)
    #expect(agenda.ready(at: now.adding(microseconds: 4), uptime: 0).isEmpty)
    #expect(agenda.ready(at: now.adding(microseconds: 5), uptime: 0) == [second])
    #expect(agenda.ready(at: now.adding(microseconds: 10), uptime: 0) == [second, first])
  }

  @Test func aChangeDuringARoundIsLookedAtAfterIt() {
    var agenda = makeAgenda()
    agenda.begin(first)
    agenda.touch(first)
    agenda.finish(first, nextDue: nil, settledAt: 50)
    #expect(agenda.ready(at: now, uptime: 49).isEmpty)
    #expect(agenda.sleep(at: now, uptime: 20, longest: 100) == 30)
    #expect(agenda.ready(at: now, uptime: 50) == [first])
  }

  @Test func somethingDueDoesNotWaitForChangesToSettle() {
    var agenda = makeAgenda()
    agenda.touch(first)
    agenda.finish(first, nextDue: now, settledAt: 50)
    #expect(agenda.ready(at: now, uptime: 0) == [first])
  }

  @Test func aFailureWaitsByUptimeWhateverTheWallClockSays() {
    var agenda = makeAgenda()
    agenda.fail(first, uptime: 100) { Int64($0) * 10 }
    agenda.touch(first)
    #expect(agenda.ready(at: .distantFuture, uptime: 109).isEmpty)
    #expect(agenda.sleep(at: .distantPast, uptime: 104, longest: 1_000) == 6)
    #expect(agenda.ready(at: .distantPast, uptime: 110) == [first])
    agenda.fail(first, uptime: 110) { Int64($0) * 10 }
    #expect(agenda.ready(at: now, uptime: 129).isEmpty)
    #expect(agenda.ready(at: now, uptime: 130) == [first])
  }

  @Test func anOrganizationThatIsGoneIsForgotten() {
    var agenda = makeAgenda()
    agenda.follow([second])
    agenda.touch(second)
    #expect(agenda.ready(at: now, uptime: 0) == [second])
  }

  @Test func retriesDoubleUpToALimit() {
    let delays = (1...6).map { Backoff.delay(failures: $0, first: 100, most: 1_500) }
    #expect(delays == [100, 200, 400, 800, 1_500, 1_500])
    #expect(Backoff.delay(failures: .max, first: .max / 2, most: .max) == .max)
  }
}
