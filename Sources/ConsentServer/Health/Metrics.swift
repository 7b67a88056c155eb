public import ConsentCore
public import EventFeed
public import RPCServer

import RPCWire
import Synchronization

/// Counts what the service does and tells it as Prometheus text. No label holds patient data:
/// methods, codes and organization ids only.
public final class Metrics: Sendable {
  private struct Key: Hashable {
    var method: String
    var code: RPCCode
  }

  private struct Board {
    var calls: [Key: UInt64] = [:]
    var latency: [String: Histogram] = [:]
    var positions: [OrganizationID: UInt64] = [:]
    var expiryLag: [OrganizationID: Int64] = [:]
    var events: [EventKind: UInt64] = [:]
  }

  private let board = Mutex(Board())

  public init() {}

  /// For `RPCServerConfiguration.observer`: counts and returns.
  public func count(_ report: RPCServerConfiguration.CallReport) {
    // Paths that name no method are the caller's to choose; one name stands for all of them.
    let method = report.method?.path ?? "unknown"
    board.withLock { board in
      board.calls[Key(method: method, code: report.code), default: 0] += 1
      board.latency[method, default: Histogram()].add(nanoseconds: report.durationNanoseconds)
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

  /// Prometheus text exposition format 0.0.4.
  public func text(openStreams: Int) -> String {
    let board = board.withLock { $0 }
    var lines = ["# TYPE consentd_rpcs_total counter"]
    lines += board.calls.map { key, count in
      "consentd_rpcs_total{method=\"\(key.method)\",code=\"\(key.code.connectName)\"} \(count)"
    }.sorted()
    lines.append("# TYPE consentd_rpc_seconds histogram")
    for (method, histogram) in board.latency.sorted(by: { $0.key < $1.key }) {
      lines += histogram.lines(name: "consentd_rpc_seconds", labels: "method=\"\(method)\"")
    }
    lines.append("# TYPE consentd_feed_position gauge")
    lines += board.positions.sorted { $0.key < $1.key }
      .map { "consentd_feed_position{organization=\"\($0.key)\"} \($0.value)" }
    lines.append("# TYPE consentd_expiry_lag_seconds gauge")
    lines += board.expiryLag.sorted { $0.key < $1.key }.map {
      "consentd_expiry_lag_seconds{organization=\"\($0.key)\"} \(Double($0.value) / 1_000_000)"
    }
    lines.append("# TYPE consentd_expiry_events_total counter")
    lines += board.events.map {
      "consentd_expiry_events_total{kind=\"\($0.key.name)\"} \($0.value)"
    }
    .sorted()
    lines += ["# TYPE consentd_watch_streams gauge", "consentd_watch_streams \(openStreams)"]
    return lines.joined(separator: "\n") + "\n"
  }
}

/// Latency in buckets from 0.1 ms to 10 s.
struct Histogram {
  static let bounds = [
    0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1, 10,
  ]
  private var buckets = [UInt64](repeating: 0, count: bounds.count)
  private var count: UInt64 = 0
  private var sum = 0.0

  mutating func add(nanoseconds: UInt64) {
    let seconds = Double(nanoseconds) / 1_000_000_000
    count += 1
    sum += seconds
    if let index = Histogram.bounds.firstIndex(where: { seconds <= $0 }) { buckets[index] += 1 }
  }

  func lines(name: String, labels: String) -> [String] {
    var lines: [String] = []
    var below: UInt64 = 0
    for (bound, bucket) in zip(Histogram.bounds, buckets) {
      below += bucket
      lines.append("\(name)_bucket{\(labels),le=\"\(bound)\"} \(below)")
    }
    lines.append("\(name)_bucket{\(labels),le=\"+Inf\"} \(count)")
    lines.append("\(name)_sum{\(labels)} \(sum)")
    lines.append("\(name)_count{\(labels)} \(count)")
    return lines
  }
}
