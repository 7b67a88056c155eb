import Logging
import NIOSSL
import Synchronization

/// What all loops of a server share: configuration, methods and counts.
final class ServerCore: Sendable {
  let configuration: RPCServerConfiguration
  let methods: MethodTable
  let logger: Logger
  /// Handlers running now, on all loops.
  let runningHandlers = Atomic<Int>(0)
  let openConnections = Atomic<Int>(0)
  let isDraining = Atomic<Bool>(false)
  let health: HealthState

  init(configuration: RPCServerConfiguration, methods: [RPCMethod], health: HealthState) {
    self.configuration = configuration
    self.methods = MethodTable(methods)
    self.health = health
    logger = configuration.logger
  }
}
