import HTTP2
import Synchronization

/// What a server counts of its connections; a snapshot is for metrics.
final class ServerCounters: Sendable {
  let accepted = Atomic<UInt64>(0)
  let refused = Atomic<UInt64>(0)
  let failedHandshakes = Atomic<UInt64>(0)
  private let verdicts = Mutex<[String: UInt64]>([:])

  func count(_ verdict: AbuseGuard.Verdict) {
    let kind: String
    switch verdict {
    case .allow: return
    case .delay: kind = "delay"
    case .close: kind = "close"
    // The debug texts are constants of ours, so that there are few kinds.
    case .goAway(_, let debug):
      kind = debug.utf8CodeUnitCount == 0 ? "protocol_error" : debug.description
    }
    verdicts.withLock { $0[kind, default: 0] += 1 }
  }

  var abuseVerdicts: [String: UInt64] { verdicts.withLock { $0 } }
}

/// What a server does at an instant and did since its start.
public struct RPCServerStatistics: Sendable {
  /// Connections past their handshake or first bytes.
  public var openConnections = 0
  public var acceptedConnections: UInt64 = 0
  /// Closed without a byte, above the limits of connections.
  public var refusedConnections: UInt64 = 0
  public var failedTLSHandshakes: UInt64 = 0
  public var callsInFlight = 0
  /// What `AbuseGuard` said of connections, by kind: `delay`, `close`, or a GOAWAY's debug text.
  public var abuseVerdicts: [String: UInt64] = [:]

  public init() {}
}
