import HTTP2
import Testing

@Suite struct AbuseGuardTests {
  private static let second: UInt64 = 1_000_000_000
  private static let calm = HTTP2ErrorCode.enhanceYourCalm.rawValue

  private func make(_ change: (inout AbuseGuard.Limits) -> Void = { _ in }) -> AbuseGuard {
    var limits = AbuseGuard.Limits()
    change(&limits)
    return AbuseGuard(limits: limits, now: 0)
  }

  /// The first event, counted from one, that is not allowed.
  private func firstRefusal(
    _ event: AbuseGuard.Event, of abuse: inout AbuseGuard, within count: Int
  ) -> (number: Int, verdict: AbuseGuard.Verdict)? {
    for number in 1...count {
      let verdict = abuse.record(event, at: 0)
      if verdict != .allow { return (number, verdict) }
    }
    return nil
  }

  @Test(arguments: [AbuseGuard.Event.resetByPeer, .resetForced, .refused])
  func resetsAreAllowedUpToTheStreamLimitThenSlowedDown(event: AbuseGuard.Event) {
    var abuse = make()
    let refusal = firstRefusal(event, of: &abuse, within: 200)
    #expect(refusal?.number == 129)
    #expect(refusal?.verdict == .delay(milliseconds: 20))
  }

  @Test func delaysGrowToASecond() {
    var abuse = make()
    for _ in 0..<128 { _ = abuse.record(.resetByPeer, at: 0) }
    let delays = (0..<8).map { _ in abuse.record(.resetByPeer, at: 0) }
    #expect(delays.first == .delay(milliseconds: 20))
    #expect(delays.last == .delay(milliseconds: 1_000))
  }

  @Test func anAllowanceEmptyForFiveSecondsEndsTheConnection() {
    var abuse = make()
    var last = AbuseGuard.Verdict.allow
    // Thirty resets each tenth of a second: more than the twenty a second that flow back.
    for tenth in 0..<120 {
      for _ in 0..<30 {
        last = abuse.record(.resetByPeer, at: UInt64(tenth) * Self.second / 10)
        if case .goAway = last { break }
      }
      if case .goAway = last { break }
    }
    #expect(last == .goAway(code: Self.calm, debug: "too_many_resets"))
  }

  @Test func resetsAtTheRefillRateGoOnForEver() {
    var abuse = make()
    for step in 0..<10_000 {
      let now = UInt64(step) * Self.second / 20
      #expect(abuse.record(.resetByPeer, at: now) == .allow)
    }
  }

  @Test func wellEndedStreamsEarnTolerance() {
    var abuse = make()
    for _ in 0..<10_000 { _ = abuse.record(.streamEndedWell, at: 0) }
    #expect(firstRefusal(.resetByPeer, of: &abuse, within: 1_000)?.number == 4 * 128 + 1)
  }

  @Test func aRapidResetWithinOneReadEndsTheConnection() {
    var abuse = make()
    var verdict = AbuseGuard.Verdict.allow
    for _ in 0..<1_000 where verdict != .goAway(code: Self.calm, debug: "too_many_resets") {
      verdict = abuse.record(.resetForced, at: 0)
    }
    #expect(verdict == .goAway(code: Self.calm, debug: "too_many_resets"))
  }

  @Test(arguments: [AbuseGuard.Event.malformed, .headerOverflow, .skippedID])
  func faultsRunOut(event: AbuseGuard.Event) {
    var abuse = make()
    let refusal = firstRefusal(event, of: &abuse, within: 300)
    #expect(refusal?.number == 201)
    #expect(refusal?.verdict == .goAway(code: Self.calm, debug: "too_many_faults"))
  }

  @Test func faultsAreForgivenOneASecond() {
    var abuse = make()
    for _ in 0..<200 { _ = abuse.record(.malformed, at: 0) }
    #expect(abuse.record(.malformed, at: 10 * Self.second) == .allow)
  }

  @Test func pingsTooClosePassTwoStrikesThenEnd() {
    var abuse = make()
    let verdicts = (0..<4).map { abuse.record(.ping(streams: 1), at: UInt64($0) * Self.second) }
    #expect(verdicts[..<3] == [.allow, .allow, .allow])
    #expect(verdicts[3] == .goAway(code: Self.calm, debug: "too_many_pings"))
  }

  @Test func sendingDataForgivesStrikes() {
    var abuse = make()
    for step in 0..<50 {
      #expect(abuse.record(.ping(streams: 1), at: UInt64(step) * Self.second) == .allow)
      _ = abuse.record(.dataSent, at: UInt64(step) * Self.second)
    }
  }

  @Test func idlePingsNeedTwoHoursUnlessPermitted() {
    let interval = 400 * Self.second
    var strict = make()
    let verdicts = (0..<4).map { strict.record(.ping(streams: 0), at: UInt64($0) * interval) }
    #expect(verdicts[3] == .goAway(code: Self.calm, debug: "too_many_pings"))
    var permitting = make { $0.pingsWithoutCallsPermitted = true }
    for step in 0..<10 {
      #expect(permitting.record(.ping(streams: 0), at: UInt64(step) * interval) == .allow)
    }
  }

  @Test func settingsAreCountedByTheMinute() {
    var abuse = make()
    #expect(firstRefusal(.settings, of: &abuse, within: 100)?.number == 33)
    var patient = make()
    for step in 0..<200 {
      #expect(patient.record(.settings, at: UInt64(step) * 3 * Self.second) == .allow)
    }
  }

  @Test func windowUpdatesAreMeasuredAgainstWhatWasSent() {
    var abuse = make()
    #expect(firstRefusal(.windowUpdate, of: &abuse, within: 10)?.number == 2)
    var busy = make()
    _ = busy.record(.streamOpened, at: 0)
    for _ in 0..<10 { _ = busy.record(.dataSent, at: 0) }
    #expect(firstRefusal(.windowUpdate, of: &busy, within: 1_000)?.number == 1 + 2 * 101 + 1)
  }

  @Test func prioritiesAreMeasuredAgainstStreams() {
    var abuse = make()
    #expect(firstRefusal(.priority, of: &abuse, within: 1_000)?.number == 101)
  }

  @Test func emptyDataInARowClosesAndUsefulFramesBreakTheRow() {
    var abuse = make()
    #expect(firstRefusal(.emptyData, of: &abuse, within: 20)?.number == 11)
    var honest = make()
    for _ in 0..<100 {
      for _ in 0..<10 { #expect(honest.record(.emptyData, at: 0) == .allow) }
      _ = honest.record(.usefulFrame, at: 0)
    }
  }

  @Test func whatIsUnderWayToAResetStreamIsNoFlood() {
    var abuse = make()
    _ = abuse.record(.cutOff(window: 200_000), at: 0)
    for _ in 0..<4 { #expect(abuse.record(.bytesRead(50_000), at: 0) == .allow) }
    #expect(abuse.record(.bytesRead(65_536), at: 0) == .allow)
    #expect(abuse.record(.bytesRead(1), at: 0) == .close)
  }

  @Test func creditForResetStreamsIsBoundedByTheConnection() {
    var abuse = make { $0.connectionWindow = 100_000 }
    for _ in 0..<50 { _ = abuse.record(.cutOff(window: 200_000), at: 0) }
    #expect(abuse.record(.bytesRead(165_537), at: 0) == .close)
  }

  @Test func uselessBytesCloseAndUsefulOnesDoNot() {
    var abuse = make()
    #expect(abuse.record(.bytesRead(65_536), at: 0) == .allow)
    #expect(abuse.record(.bytesRead(1), at: 0) == .close)
    var honest = make()
    for _ in 0..<100 {
      _ = honest.record(.usefulFrame, at: 0)
      #expect(honest.record(.bytesRead(65_536), at: 0) == .allow)
    }
  }
}
