import NIOCore
import Synchronization

/// Counts connections, in all and by address, and refuses those above the limits.
final class ConnectionAdmission: Sendable {
  /// What a connection gives back when it closes.
  struct Pass: Sendable {
    fileprivate let address: String
  }

  private struct Counts {
    var total = 0
    var byAddress: [String: Int] = [:]
  }

  private let limits: RPCServerConfiguration.Limits
  private let counts = Mutex(Counts())

  init(limits: RPCServerConfiguration.Limits) { self.limits = limits }

  func admit(_ address: SocketAddress?) -> Pass? {
    let key = address?.ipAddress ?? ""
    return counts.withLock { counts in
      let here = counts.byAddress[key] ?? 0
      guard counts.total < limits.connections, here < limits.connectionsPerAddress else {
        return nil
      }
      counts.total += 1
      counts.byAddress[key] = here + 1
      return Pass(address: key)
    }
  }

  func leave(_ pass: Pass) {
    counts.withLock { counts in
      counts.total -= 1
      let left = (counts.byAddress[pass.address] ?? 1) - 1
      counts.byAddress[pass.address] = left > 0 ? left : nil
    }
  }
}
