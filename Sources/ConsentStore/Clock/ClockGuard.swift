public import ConsentCore

/// Judges the wall clock by the monotonic one: a value that is shown both at every look.
///
/// Steps are what differs between them: both are slewed alike. The time given out never goes back
/// and never follows a step that nobody confirmed; it goes on by the monotonic clock instead. So a
/// clock set back makes no ended grant speak again, and one set forward neither ends nor begins any
/// grant, nor stamps a change with a time that all later changes would have to follow.
public struct ClockGuard: Sendable {
  /// Distances in microseconds.
  public enum State: Hashable, Sendable {
    case steady
    /// The wall clock is ahead of the monotonic one by so much: a doubt.
    case steppedForward(by: Int64)
    /// The wall clock is behind. The time goes on without it, so answers stay right.
    case steppedBack(by: Int64)
    /// At the start the clock was so much later than the newest record: a doubt.
    case startedLate(by: Int64)
    /// At the start the clock was so much earlier than the newest record: a doubt.
    case startedEarly(by: Int64)
  }

  public struct Limits: Sendable {
    /// How far wall and monotonic clock may part. Leap seconds and the first corrections of a time
    /// service are below it.
    public var step: Int64
    /// How long before a start nothing may have been recorded.
    public var silence: Int64

    public init(step: Int64 = 10_000_000, silence: Int64 = 30 * .microsecondsPerDay) {
      self.step = step
      self.silence = silence
    }
  }

  public private(set) var state = State.steady
  private let limits: Limits
  /// Both clocks when the wall clock was last believed.
  private var wallThen: Instant
  private var uptimeThen: Int64
  private var last: Instant
  private var startDoubt: State?

  /// - Parameter uptime: microseconds since some fixed instant, by a clock that never steps.
  public init(wall: Instant, uptime: Int64, limits: Limits = Limits()) {
    self.limits = limits
    wallThen = wall
    uptimeThen = uptime
    last = wall
  }

  /// The time to work with.
  public mutating func look(wall: Instant, uptime: Int64) -> Instant {
    let elapsed = max(0, Self.difference(uptime, uptimeThen))
    let expected = wallThen.adding(microseconds: elapsed)
    let step = Self.difference(wall.microseconds, expected.microseconds)
    if step > limits.step {
      state = .steppedForward(by: step)
    } else if step < -limits.step {
      state = startDoubt ?? .steppedBack(by: Self.difference(0, step))
    } else {
      state = startDoubt ?? .steady
    }
    let isNear = step.magnitude <= limits.step.magnitude
    last = max(last, isNear ? wall : expected)
    return last
  }

  /// Compares the start with the newest record of the register; `nil` if there is none.
  public mutating func compare(newestRecord: Instant?) {
    guard let newestRecord else { return }
    let silence = Self.difference(wallThen.microseconds, newestRecord.microseconds)
    if silence > limits.silence { startDoubt = .startedLate(by: silence) }
    if silence < -limits.step { startDoubt = .startedEarly(by: Self.difference(0, silence)) }
    if let startDoubt { state = startDoubt }
  }

  /// An operator vouches for the wall clock as it is now.
  public mutating func confirm(wall: Instant, uptime: Int64) {
    self = ClockGuard(wall: wall, uptime: uptime, limits: limits)
  }

  /// Held at the ends of the range.
  private static func difference(_ a: Int64, _ b: Int64) -> Int64 {
    let (difference, overflow) = a.subtractingReportingOverflow(b)
    return overflow ? (a < b ? .min + 1 : .max) : max(difference, .min + 1)
  }
}

extension ClockGuard.State {
  /// Whether answers that permit, and expiry, wait for an operator.
  public var isDoubt: Bool {
    switch self {
    case .steady, .steppedBack: false
    case .steppedForward, .startedLate, .startedEarly: true
    }
  }

  /// For the log and for whoever is refused: what was seen and what to do.
  public var text: String {
    let confirm = "compare it with another clock, set it right, then confirm it with SIGUSR1"
    return switch self {
    case .steady: "the clock is steady"
    case .steppedForward(let by):
      "the clock stepped forward by \(by.wholeSeconds) s, which the monotonic clock does not confirm; "
        + confirm
    case .steppedBack(let by):
      "the clock stepped back by \(by.wholeSeconds) s; the time goes on by the monotonic clock; "
        + confirm
    case .startedLate(let by):
      "the clock is \(by.wholeSeconds) s later than the newest record; " + confirm
    case .startedEarly(let by):
      "the clock is \(by.wholeSeconds) s earlier than the newest record; " + confirm
    }
  }
}

extension Int64 {
  fileprivate var wholeSeconds: Int64 { self / 1_000_000 }
}
