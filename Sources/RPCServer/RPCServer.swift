import HTTP2
import Logging
import NIOCore
import NIOPosix
public import NIOSSL
import RPCWire
import Synchronization

/// A server of RPC methods: gRPC, gRPC-Web and Connect on one port, with plain pages beside them.
///
/// Make it, `start` it once, and `drain` it at the end.
public final class RPCServer: Sendable {
  /// Where a started server listens.
  public struct Address: Sendable, CustomStringConvertible {
    public let host: String
    public let port: Int
    public var description: String { "\(host):\(port)" }
  }

  public struct StartError: Error, CustomStringConvertible {
    public let description: String
  }

  /// Set the health of services here; `drain` sets everything to NOT_SERVING.
  public let health: HealthState

  private struct Running {
    let group: MultiThreadedEventLoopGroup
    let channels: [any Channel]
    let loops: [LoopContext]
  }

  private let core: ServerCore
  private let running = Mutex<Running?>(nil)

  /// - Parameters:
  ///   - methods: `grpc.health.v1` is added to them, and reflection when it is configured.
  public init(
    configuration: RPCServerConfiguration, methods: [RPCMethod],
    health: HealthState = HealthState()
  ) {
    self.health = health
    var all = methods + HealthService.methods(health)
    if let set = configuration.reflectionDescriptorSet {
      do {
        all += ReflectionService.methods(
          try DescriptorIndex(set: set), services: Set(all.map(\.info.service)))
      } catch {
        // The set is part of the program; serving without reflection is better than not at all.
        configuration.logger.error("the descriptor set cannot be read; reflection is off")
      }
    }
    core = ServerCore(configuration: configuration, methods: all, health: health)
  }

  /// Binds and begins to accept, on the plaintext address beside it too where there is one.
  ///
  /// - Throws: when the address cannot be bound or the TLS configuration is not usable.
  public func start() async throws -> Address {
    let configuration = core.configuration
    let group = MultiThreadedEventLoopGroup(numberOfThreads: max(1, configuration.loops))
    var loops: [LoopContext] = []
    for eventLoop in group.makeIterator() {
      loops.append(LoopContext(eventLoop: eventLoop, server: core))
    }
    core.startThreads()
    do {
      if let tls = configuration.tls { try replaceTLS(tls) }
      var channels = [
        try await bind(
          configuration.host, configuration.port, isTLS: configuration.tls != nil, group, loops)
      ]
      let channel = channels[0]
      if let plaintext = configuration.plaintextAddress {
        do {
          channels.append(
            try await bind(plaintext.host, plaintext.port, isTLS: false, group, loops))
        } catch {
          try? await channel.close()
          throw error
        }
      }
      let all = channels
      let contexts = loops
      running.withLock { $0 = Running(group: group, channels: all, loops: contexts) }
      core.logger.info(
        "serving",
        metadata: [
          "addresses":
            "\(channels.map { $0.localAddress?.description ?? "?" }.joined(separator: " "))",
          "nghttp2": "\(HTTP2Session.libraryVersion)",
        ])
      return Address(
        host: channel.localAddress?.ipAddress ?? configuration.host,
        port: channel.localAddress?.port ?? configuration.port)
    } catch {
      await core.stopThreads()
      try? await group.shutdownGracefully()
      throw error
    }
  }

  private func bind(
    _ host: String, _ port: Int, isTLS: Bool, _ group: MultiThreadedEventLoopGroup,
    _ loops: [LoopContext]
  ) async throws -> any Channel {
    try await ServerBootstrap(group: group)
      .serverChannelOption(.backlog, value: 1_024)
      .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
      .childChannelOption(.socketOption(.tcp_nodelay), value: 1)
      .childChannelInitializer { channel in
        channel.eventLoop.makeCompletedFuture {
          guard let loop = loops.first(where: { $0.eventLoop === channel.eventLoop }) else {
            throw StartError(description: "a connection came on a loop that is not ours")
          }
          try ConnectionSetup.prepare(channel, loop: loop, isTLS: isTLS)
        }
      }
      .bind(host: host, port: port).get()
  }

  /// New connections are made with `configuration` from now on; those that are open go on as they
  /// are. Sessions of before cannot be resumed, since a context has ticket keys of its own.
  /// - Throws: when it is not usable, such as a key of another certificate; nothing is changed.
  public func replaceTLS(_ configuration: TLSConfiguration) throws {
    let context = try TLSSetup.context(configuration)
    core.tls.withLock { $0 = context }
  }

  public var statistics: RPCServerStatistics {
    var statistics = RPCServerStatistics()
    statistics.openConnections = core.openConnections.load(ordering: .relaxed)
    statistics.acceptedConnections = core.counters.accepted.load(ordering: .relaxed)
    statistics.refusedConnections = core.counters.refused.load(ordering: .relaxed)
    statistics.failedTLSHandshakes = core.counters.failedHandshakes.load(ordering: .relaxed)
    statistics.callsInFlight = core.runningHandlers.load(ordering: .relaxed)
    statistics.abuseVerdicts = core.counters.abuseVerdicts
    return statistics
  }

  /// Ends gracefully: health turns NOT_SERVING, accepting stops, calls in flight go on to their
  /// end, and what is left after `grace` is cut off.
  public func drain(grace: Duration = .seconds(30)) async {
    health.shutDown()
    guard let running = running.withLock({ $0 }) else { return }
    core.isDraining.store(true, ordering: .relaxed)
    for channel in running.channels { try? await channel.close() }
    health.endWatches()
    for loop in running.loops {
      try? await loop.eventLoop.submit { loop.drainAll() }.get()
    }
    let deadline = ContinuousClock.now + grace
    while ContinuousClock.now < deadline, core.openConnections.load(ordering: .relaxed) > 0 {
      try? await Task.sleep(for: .milliseconds(20))
    }
    for loop in running.loops {
      try? await loop.eventLoop.submit { loop.closeAll() }.get()
    }
    try? await running.group.shutdownGracefully()
    await core.stopThreads()
    self.running.withLock { $0 = nil }
  }
}
