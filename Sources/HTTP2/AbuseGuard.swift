/// Judges a client's behaviour on one connection: which floods nghttp2 lets through, how many
/// resets are still honest, how often a client may ping.
///
/// Pure: no clock, no I/O. Resets are charged against an allowance that well-ended streams and
/// time refill, so a busy honest client earns tolerance; everything else costs glitches.
public struct AbuseGuard: Sendable {
  public enum Event: Sendable, Equatable {
    case streamOpened
    case streamEndedWell
    /// The client reset a stream.
    case resetByPeer
    /// The client's fault made us reset a stream (MadeYouReset, CVE-2025-8671).
    case resetForced
    /// A stream above the limit was refused.
    case refused
    case skippedID
    case headerOverflow
    case malformed
    case ping(streams: Int)
    case settings
    case windowUpdate
    case priority
    case emptyData
    /// Headers or DATA that serve a request.
    case usefulFrame
    /// We sent HEADERS or DATA.
    case dataSent
    /// We reset a stream; up to this many bytes of it may still be under way, and nobody hears of
    /// them when they arrive.
    case cutOff(window: Int)
    /// A read of this many bytes was parsed.
    case bytesRead(Int)
  }

  public enum Verdict: Sendable, Equatable {
    case allow
    /// Stop reading from the connection for a while.
    case delay(milliseconds: Int)
    case goAway(code: UInt32, debug: StaticString)
    case close

    public static func == (left: Verdict, right: Verdict) -> Bool {
      switch (left, right) {
      case (.allow, .allow), (.close, .close): true
      case (.delay(let one), .delay(let other)): one == other
      case (.goAway(let one, let text), .goAway(let other, let otherText)):
        one == other && text.description == otherText.description
      default: false
      }
    }
  }

  public struct Limits: Sendable {
    /// MAX_CONCURRENT_STREAMS; the reset allowance starts here and is capped at four times this.
    public var streams = 128
    public var resetRefillPerSecond = 20
    /// Nanoseconds an empty allowance is tolerated.
    public var exhaustedTolerance: UInt64 = 5_000_000_000
    public var glitches = 200
    /// Nanoseconds between pings while streams are open, and without.
    public var pingInterval: UInt64 = 300_000_000_000
    public var idlePingInterval: UInt64 = 7_200_000_000_000
    public var pingsWithoutCallsPermitted = false
    public var pingStrikes = 2
    public var settingsPerMinute = 32
    public var emptyDataInARow = 10
    public var uselessBytes = 65_536
    /// What can be under way at all.
    public var connectionWindow = 4 * 1024 * 1024

    public init() {}
  }

  private static let second: UInt64 = 1_000_000_000
  private static let calm = HTTP2ErrorCode.enhanceYourCalm.rawValue

  private let limits: Limits
  private var allowance: Int
  private var allowanceRefilledAt: UInt64
  private var exhaustedSince: UInt64?
  private var delays = 0
  private var glitchesLeft: Int
  private var glitchesRefilledAt: UInt64
  private var lastPing: UInt64?
  private var strikes = 0
  private var settingsInMinute = 0
  private var minuteStart: UInt64
  private var openedStreams = 0
  private var dataFramesSent = 0
  private var windowUpdates = 0
  private var priorities = 0
  private var emptyDataRun = 0
  private var bytesSinceUseful = 0
  private var usefulSinceRead = false
  private var uselessCredit = 0

  public init(limits: Limits, now: UInt64) {
    self.limits = limits
    allowance = limits.streams
    allowanceRefilledAt = now
    glitchesLeft = limits.glitches
    glitchesRefilledAt = now
    minuteStart = now
  }

  /// - Parameter now: monotonic nanoseconds, never less than in the call before.
  public mutating func record(_ event: Event, at now: UInt64) -> Verdict {
    switch event {
    case .streamOpened:
      noteStreamOpened()
      return .allow
    case .streamEndedWell:
      noteStreamEndedWell()
      return .allow
    case .usefulFrame:
      noteUseful()
      return .allow
    case .dataSent:
      noteDataSent()
      return .allow
    case .cutOff(let window):
      uselessCredit = min(uselessCredit + window, limits.connectionWindow)
      return .allow
    case .bytesRead(let count):
      return read(count)
    case .resetByPeer, .resetForced, .refused:
      return spendReset(at: now)
    case .skippedID, .headerOverflow, .malformed:
      return glitch(at: now)
    case .ping(let streams):
      return ping(streams: streams, at: now)
    case .settings:
      return settings(at: now)
    case .windowUpdate:
      windowUpdates += 1
      return flood(windowUpdates, above: 1 + 2 * (openedStreams + 10 * dataFramesSent))
    case .priority:
      priorities += 1
      return flood(priorities, above: 100 * (1 + openedStreams))
    case .emptyData:
      emptyDataRun += 1
      return emptyDataRun > limits.emptyDataInARow ? .close : .allow
    }
  }

  // What an honest call is made of, several times a call: no verdict comes of these.

  mutating func noteStreamOpened() { openedStreams += 1 }

  mutating func noteStreamEndedWell() { allowance = min(allowance + 1, limits.streams * 4) }

  mutating func noteUseful() {
    usefulSinceRead = true
    emptyDataRun = 0
  }

  mutating func noteDataSent() {
    dataFramesSent += 1
    strikes = 0
    usefulSinceRead = true
  }

  private func flood(_ count: Int, above limit: Int) -> Verdict {
    count > limit ? .goAway(code: Self.calm, debug: "too_many_control_frames") : .allow
  }

  private mutating func read(_ count: Int) -> Verdict {
    let charged = max(0, count - uselessCredit)
    if !usefulSinceRead { uselessCredit -= count - charged }
    bytesSinceUseful = usefulSinceRead ? 0 : bytesSinceUseful + charged
    usefulSinceRead = false
    return bytesSinceUseful > limits.uselessBytes ? .close : .allow
  }

  private mutating func spendReset(at now: UInt64) -> Verdict {
    let refill = (now &- allowanceRefilledAt) / (Self.second / UInt64(limits.resetRefillPerSecond))
    if refill > 0 {
      allowance = min(allowance + Int(min(refill, 1_000_000)), limits.streams * 4)
      allowanceRefilledAt = now
    }
    allowance -= 1
    guard allowance < 0 else {
      exhaustedSince = nil
      delays = 0
      return .allow
    }
    let since = exhaustedSince ?? now
    exhaustedSince = since
    // A debt of four full allowances within one read is no accident either.
    if now &- since > limits.exhaustedTolerance || allowance < -4 * limits.streams {
      return .goAway(code: Self.calm, debug: "too_many_resets")
    }
    delays += 1
    return .delay(milliseconds: min(1_000, 10 << min(delays, 7)))
  }

  private mutating func glitch(at now: UInt64) -> Verdict {
    let seconds = (now &- glitchesRefilledAt) / Self.second
    if seconds > 0 {
      glitchesLeft = min(glitchesLeft + Int(min(seconds, 1_000_000)), limits.glitches)
      glitchesRefilledAt = now
    }
    glitchesLeft -= 1
    return glitchesLeft < 0 ? .goAway(code: Self.calm, debug: "too_many_faults") : .allow
  }

  private mutating func ping(streams: Int, at now: UInt64) -> Verdict {
    let idle = streams == 0 && !limits.pingsWithoutCallsPermitted
    let interval = idle ? limits.idlePingInterval : limits.pingInterval
    defer { lastPing = now }
    guard let last = lastPing, now &- last < interval else {
      usefulSinceRead = true
      return .allow
    }
    strikes += 1
    // The text is fixed by gRFC A8: clients lengthen their interval when they read it.
    return strikes > limits.pingStrikes
      ? .goAway(code: Self.calm, debug: "too_many_pings") : .allow
  }

  private mutating func settings(at now: UInt64) -> Verdict {
    if now &- minuteStart >= 60 * Self.second {
      minuteStart = now
      settingsInMinute = 0
    }
    settingsInMinute += 1
    return flood(settingsInMinute, above: limits.settingsPerMinute)
  }
}
