public import ConsentCore
public import ConsentStore
public import EventFeed
public import RPCServer

import RPCWire
import Synchronization

/// Counts what the service does. `Metrics+Text` tells it. No label holds patient data: methods,
/// codes, kinds and organization ids only.
public final class Metrics: Sendable {
  /// The finished calls of one method.
  struct Calls {
    /// `nil` for paths that name none. Held, since it is counted by its identity.
    let method: RPCMethod.Info?
    /// By the number of the code.
    var codes = [UInt64](repeating: 0, count: RPCCode.allCases.count)
    var latency = Histogram()

    // Paths that name no method are the caller's to choose; one name stands for all of them.
    var name: String { method?.path ?? "unknown" }

    mutating func add(_ code: Int, nanoseconds: UInt64) {
      if codes.indices.contains(code) { codes[code] &+= 1 }
      latency.add(nanoseconds: nanoseconds)
    }
  }

  struct Board {
    /// Each call is counted here, so no text is looked up.
    var calls: [ObjectIdentifier?: Calls] = [:]
    var positions: [OrganizationID: UInt64] = [:]
    var feedLag: [OrganizationID: UInt64] = [:]
    var expiryLag: [OrganizationID: Int64] = [:]
    var events: [EventKind: UInt64] = [:]
    var vitals: DatabaseVitals?
    var reloads: [Reload: UInt64] = [:]
    var batches = Histogram(bounds: Histogram.sizes)
    var repeatedBatches: UInt64 = 0
    var lookups: [OrganizationID: LookupBacklog] = [:]
    var lookedUp: UInt64 = 0
    var lookupFailures: UInt64 = 0
    var accesses: UInt64 = 0
    var unloggedAccesses: UInt64 = 0
    var anchors: UInt64 = 0
    var anchorFailures: UInt64 = 0
  }

  struct Reload: Hashable {
    var what: String
    var succeeded: Bool
  }

  /// What is not counted but read when the page is asked for.
  public struct Readings: Sendable {
    public var server = RPCServerStatistics()
    public var watchStreams = 0
    public var pools: [(name: String, load: PoolLoad)] = []
    /// Seconds since 1970.
    public var certificateEnds: Int64?
    public var now: Instant?

    public init() {}
  }

  private let board = Mutex(Board())
  private let readings = Mutex<@Sendable () -> Readings>({ Readings() })

  public init() {}

  /// For `RPCServerConfiguration.observer`: counts and returns.
  public func count(_ report: RPCServerConfiguration.CallReport) {
    let method = report.method
    let code = Int(report.code.rawValue)
    board.withLock { board in
      board.calls[method.map(ObjectIdentifier.init), default: Calls(method: method)]
        .add(code, nanoseconds: report.durationNanoseconds)
    }
  }

  /// For `WatchHub`: the head of a feed moved.
  public func advanced(_ organization: OrganizationID, to position: UInt64) {
    board.withLock { $0.positions[organization] = position }
  }

  /// For `ExpiryScheduler`: what a round did.
  public func count(_ outcome: ExpiryOutcome) {
    board.withLock { board in
      board.expiryLag[outcome.organization] = outcome.lagMicroseconds
      for (kind, count) in outcome.emitted { board.events[kind, default: 0] += UInt64(count) }
    }
  }

  /// For `Checker`: decisions that were logged together.
  public func logged(decisions: Int, rounds: Int) {
    board.withLock { board in
      board.batches.add(Double(decisions))
      if rounds > 1 { board.repeatedBatches &+= 1 }
    }
  }

  /// For `LookupWorker`.
  public func count(_ report: LookupReport) {
    board.withLock { board in
      switch report {
      case .looked(let backlog):
        // Who was told of stays, with nothing to do, so that no series ends.
        for organization in board.lookups.keys {
          board.lookups[organization]?.decisions = 0
          board.lookups[organization]?.oldest = nil
        }
        for behind in backlog { board.lookups[behind.organization] = behind }
      case .extended(_, let decisions): board.lookedUp &+= UInt64(clamping: decisions)
      case .failed: board.lookupFailures &+= 1
      }
    }
  }

  /// For `ConsentService`: records of patients were to be shown.
  public func accessed(isLogged: Bool) {
    board.withLock { board in
      if isLogged { board.accesses &+= 1 } else { board.unloggedAccesses &+= 1 }
    }
  }

  /// For `FeedAnchors`.
  public func count(anchor report: AnchorReport) {
    board.withLock { board in
      switch report {
      case .written: board.anchors &+= 1
      case .failed: board.anchorFailures &+= 1
      }
    }
  }

  /// What a look at the database found; `nil` when it could not be had.
  public func looked(_ vitals: DatabaseVitals?) { board.withLock { $0.vitals = vitals } }

  /// How far what watchers are told is behind the stored heads.
  public func compared(withHeads heads: [OrganizationID: UInt64]) {
    board.withLock { board in
      for (organization, head) in heads {
        let told = board.positions[organization] ?? 0
        board.feedLag[organization] = head > told ? head - told : 0
      }
    }
  }

  /// A file that is read again while the service runs, such as a certificate, was.
  public func reloaded(_ what: String, succeeded: Bool) {
    board.withLock { $0.reloads[Reload(what: what, succeeded: succeeded), default: 0] &+= 1 }
  }

  /// Sets where the readings come from.
  public func read(from source: @escaping @Sendable () -> Readings) {
    readings.withLock { $0 = source }
  }

  /// Prometheus text exposition format 0.0.4.
  public var text: String {
    let source = readings.withLock { $0 }
    return Metrics.text(board.withLock { $0 }, source())
  }
}
