public import ConsentCore
internal import Synchronization

/// A wall clock under guard, for a whole process.
public final class GuardedClock: WallClock {
  private let wall: any WallClock
  private let uptime: @Sendable () -> Int64
  private let report: @Sendable (ClockGuard.State) -> Void
  private let watched: Mutex<ClockGuard>

  /// - Parameters:
  ///   - uptime: microseconds by a clock that never steps; by default the system's, which also
  ///     counts the time a machine sleeps.
  ///   - report: told of each change of kind, such as from steady to stepped.
  public init(
    _ wall: any WallClock, limits: ClockGuard.Limits = .init(),
    uptime: @escaping @Sendable () -> Int64 = GuardedClock.systemUptime(),
    report: @escaping @Sendable (ClockGuard.State) -> Void = { _ in }
  ) {
    self.wall = wall
    self.uptime = uptime
    self.report = report
    watched = Mutex(ClockGuard(wall: wall.now(), uptime: uptime(), limits: limits))
  }

  public func now() -> Instant {
    watch { $0.look(wall: wall.now(), uptime: uptime()) }
  }

  public var doubt: String? {
    watch { guarded in
      _ = guarded.look(wall: wall.now(), uptime: uptime())
      return guarded.state.isDoubt ? guarded.state.text : nil
    }
  }

  public var state: ClockGuard.State { watched.withLock { $0.state } }

  /// See `ClockGuard.compare`.
  public func compare(newestRecord: Instant?) { watch { $0.compare(newestRecord: newestRecord) } }

  /// See `ClockGuard.confirm`.
  public func confirm() { watch { $0.confirm(wall: wall.now(), uptime: uptime()) } }

  private func watch<Value: Sendable>(_ body: (inout ClockGuard) -> Value) -> Value {
    let (value, change) = watched.withLock { guarded -> (Value, ClockGuard.State?) in
      let before = guarded.state.kind
      let value = body(&guarded)
      return (value, guarded.state.kind == before ? nil : guarded.state)
    }
    if let change { report(change) }
    return value
  }

  public static func systemUptime() -> @Sendable () -> Int64 {
    let start = ContinuousClock.now
    return {
      let (seconds, attoseconds) = (ContinuousClock.now - start).components
      return seconds * 1_000_000 + attoseconds / 1_000_000_000_000
    }
  }
}

extension ClockGuard.State {
  fileprivate var kind: Int {
    switch self {
    case .steady: 0
    case .steppedForward: 1
    case .steppedBack: 2
    case .startedLate: 3
    case .startedEarly: 4
    }
  }
}

/// INVARIANT: nothing is permitted by a clock in doubt. Refusals go on: they need no clock to be
/// right for long.
public func refusingPermits(
  by clock: any WallClock,
  _ body: @Sendable @escaping (any FactReader) throws -> [DecisionEntry]
) -> @Sendable (any FactReader) throws -> [DecisionEntry] {
  { reader in
    let entries = try body(reader)
    if entries.contains(where: \.permitsAnything), let doubt = clock.doubt {
      throw StoreError.unavailable(doubt)
    }
    return entries
  }
}

extension DecisionEntry {
  fileprivate var permitsAnything: Bool {
    decision.effect == .permit || group?.differing.contains { $0.effect == .permit } ?? false
  }
}
