/// The slow side of an HTTP/2 connection as a plain value: acknowledgement of SETTINGS, keepalive,
/// age, idleness and the two steps of a graceful end. The clock is an argument.
///
/// - Source: RFC 9113 §6.8; gRFC A8 and A9.
struct HTTP2ConnectionLife {
  enum Action: Equatable {
    case ping(UInt64)
    case shutdownNotice
    case goAway
    case settingsTimeout
    case close
  }

  private enum Drain: Equatable {
    case no
    /// The notice is out; the second GOAWAY follows the acknowledgement or this instant.
    case announced(until: UInt64)
    case refusing
  }

  /// Payloads of our pings, to tell their acknowledgements apart.
  static let drainPayload: UInt64 = 0x636f_6e73_656e_7464
  static let keepalivePayload: UInt64 = 0x616c_6976_653f_0000

  /// Nanoseconds, for the streams of the connection.
  let bodyStall: UInt64
  let writeStall: UInt64
  private let settingsTimeout: UInt64
  private let silence: UInt64
  private let pingTimeout: UInt64
  private let expiresAt: UInt64?
  private let idleLimit: UInt64?
  private let drainWait: UInt64 = 5_000_000_000
  private let graceAfterAge: UInt64 = 30_000_000_000

  private let startedAt: UInt64
  private var settingsArePending = true
  private var pingSentAt: UInt64?
  private var idleSince: UInt64?
  private var stage = Drain.no
  private var closesAt: UInt64?

  /// - Parameter jitter: -1 to 1, spreads the ends of connections that began together.
  init(
    configuration: RPCServerConfiguration, now: UInt64, jitter: Double = .random(in: -1...1)
  ) {
    let timers = configuration.timers
    let keepalive = configuration.keepalive
    bodyStall = ConnectionSetup.nanoseconds(timers.requestBodyStall)
    writeStall = ConnectionSetup.nanoseconds(timers.writeStall)
    settingsTimeout = ConnectionSetup.nanoseconds(timers.settingsAcknowledgement)
    silence = ConnectionSetup.nanoseconds(keepalive.pingAfterSilence)
    pingTimeout = ConnectionSetup.nanoseconds(keepalive.pingTimeout)
    idleLimit = timers.maximumConnectionIdle.map(ConnectionSetup.nanoseconds(_:))
    expiresAt = Self.expiry(timers.maximumConnectionAge, from: now, jitter: jitter)
    startedAt = now
  }

  static func expiry(
    _ age: Int64?, from now: UInt64, jitter: Double = .random(in: -1...1)
  ) -> UInt64? {
    age.map { now &+ UInt64(Double(ConnectionSetup.nanoseconds($0)) * (1 + 0.1 * jitter)) }
  }

  mutating func settingsAcknowledged() { settingsArePending = false }

  mutating func pingAcknowledged(_ payload: UInt64) -> [Action] {
    pingSentAt = nil
    guard payload == Self.drainPayload, case .announced = stage else { return [] }
    stage = .refusing
    return [.goAway]
  }

  /// Begins the graceful end; streams that the client opened before it read the notice are served.
  mutating func drain(now: UInt64) -> [Action] {
    guard stage == .no else { return [] }
    stage = .announced(until: now &+ drainWait)
    return [.shutdownNotice, .ping(Self.drainPayload)]
  }

  mutating func check(now: UInt64, lastRead: UInt64, openStreams: Int) -> [Action] {
    if settingsArePending, now &- startedAt > settingsTimeout {
      settingsArePending = false
      return [.settingsTimeout]
    }
    if let closesAt, now > closesAt { return [.close] }
    if case .announced(let until) = stage, now > until {
      stage = .refusing
      return [.goAway]
    }
    idleSince = openStreams > 0 ? nil : (idleSince ?? now)
    if stage == .no, isTooOld(now) || isIdleTooLong(now) {
      closesAt = now &+ graceAfterAge
      return drain(now: now)
    }
    return keepalive(now: now, lastRead: lastRead)
  }

  private func isTooOld(_ now: UInt64) -> Bool { expiresAt.map { now > $0 } ?? false }

  private func isIdleTooLong(_ now: UInt64) -> Bool {
    guard let idleLimit, let idleSince else { return false }
    return now &- idleSince > idleLimit
  }

  private mutating func keepalive(now: UInt64, lastRead: UInt64) -> [Action] {
    if let sent = pingSentAt {
      if lastRead > sent {
        pingSentAt = nil
      } else if now &- sent > pingTimeout {
        return [.close]
      }
      return []
    }
    guard now > lastRead, now &- lastRead > silence else { return [] }
    pingSentAt = now
    return [.ping(Self.keepalivePayload)]
  }
}
