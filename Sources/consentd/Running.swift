import Checking
import ConsentCore
import ConsentServer
import ConsentStore
import EventFeed
import Logging
import RPCServer

/// The parts of a running service, started in order and ended in the reverse one.
struct Running: Sendable {
  let opened: OpenedStore
  let server: RPCServer
  let watch: WatchHub
  let readiness: Readiness
  let tasks: [Task<Void, Never>]
  let drainGrace: Time
  let logger: Logger
  /// An operator vouches for the clock.
  let confirmClock: @Sendable () -> Void

  static func start(_ settings: Settings, _ signals: Signals) async throws -> Running {
    let logger = Logger(label: "consentd")
    // Everything that needs no database is read first, so that its faults are told at once.
    let access = try await Access.read(settings)
    let wanted = try settings.organizations.map { try OrganizationFile(contentsOf: $0) }
    let testClock = try settings.testClock.map { try TestClock(path: $0) }
    let guarded = GuardedClock.ofProcess(logger)
    let clock: any WallClock = testClock ?? guarded
    let opened = try await OpenedStore.open(settings, clock: clock, logger: logger)
    do {
      for organization in wanted?.organizations ?? [] {
        try await opened.store.createOrganization(organization)
      }
      let organizations = try await opened.store.organizations()
      try CallerFiles.check(
        access.tokens, access.issuers, served: Set(organizations.map(\.id)))
      if testClock == nil { try await guarded.compare(with: opened.store, organizations) }
      let seen = try await HistoryWitness.open(settings, opened.store, logger)
      let parts = Parts(
        settings: settings, opened: opened, organizations: organizations, seen: seen, clock: clock,
        testClock: testClock, logger: logger)
      return try await parts.serve(access, signals)
    } catch {
      await opened.close()
      throw error
    }
  }

  /// Serves until a signal comes, then ends in good order: no new calls, calls in flight to their
  /// end, then what works beside them, then the store, then the database.
  func untilEnded(by signals: Signals) async {
    let confirming = Task { [confirmClock] in
      for await _ in signals.confirmations { confirmClock() }
    }
    defer { confirming.cancel() }
    var received = signals.stream.makeAsyncIterator()
    _ = await received.next()
    logger.info("draining", metadata: ["grace": "\(drainGrace.seconds) s"])
    readiness.drains()
    server.health.shutDown()
    await watch.close()
    let hurry = Task { [server, logger] in
      for await _ in signals.stream {
        logger.warning("hurrying: calls in flight are cut off")
        await server.drain(grace: .zero)
      }
    }
    await server.drain(grace: .seconds(drainGrace.seconds))
    hurry.cancel()
    for task in tasks { task.cancel() }
    for task in tasks { await task.value }
    await opened.close()
    logger.info("ended")
  }
}

/// What a start has at hand once the database is open.
private struct Parts {
  var settings: Settings
  var opened: OpenedStore
  var organizations: [OrganizationSettings]
  var seen: HistoryWitness?
  var clock: any WallClock
  var testClock: TestClock?
  var logger: Logger

  func serve(_ access: Access, _ signals: Signals) async throws -> Running {
    let store = opened.store
    let metrics = Metrics()
    let feedClock = SystemFeedClock(wall: clock)
    let anchors = AnchorSetup.anchors(store, of: organizations.map(\.id), feedClock, metrics)
    let watch = WatchHub(source: StoreFeedSource(store: store), clock: feedClock) { [seen] in
      metrics.advanced($0, to: $1.position)
      seen?.saw($0, at: $1)
      anchors.moved($0)
    }
    let scheduler = ExpiryScheduler(
      store: store, clock: feedClock, mayTrustClock: { clock.doubt == nil },
      report: { outcome in
        metrics.count(outcome)
        if !outcome.emitted.isEmpty { watch.wake() }
      })
    let checker = CheckerSetup.make(
      store: store, clock: clock, organizations: organizations,
      indexedImages: settings.indexedImages, metrics: metrics)
    let service = ConsentService(
      store: store, checker: checker, clock: clock, calendars: try Calendars(organizations),
      watch: watch,
      changed: { organization in
        watch.wake()
        scheduler.changed(organization)
      }, accessed: { metrics.accessed(isLogged: $0) }, logger: Logger(label: "consentd.service"))
    let health = HealthState(services: HealthProbe.services, status: .notServing)
    let readiness = Readiness()
    let callers = CallerDirectory(tokens: access.tokens, issuers: access.issuers, clock: clock)
    var configuration = try self.configuration(access)
    let authentication = Authentication(callers: callers)
    configuration.interceptor = authentication.interceptor
    configuration.promptInterceptor = authentication.promptInterceptor
    configuration.observer = { metrics.count($0) }
    configuration.pages = Pages.all(health: health, readiness: readiness, metrics: metrics)
    let server = RPCServer(configuration: configuration, methods: service.methods, health: health)
    let certificate = CertificateEnd(access.tls?.notValidAfter)
    metrics.read { [clock] in
      var readings = Metrics.Readings()
      readings.server = server.statistics
      readings.watchStreams = watch.openStreams
      readings.pools = store.load
      readings.certificateEnds = certificate.seconds
      readings.now = clock.now()
      return readings
    }
    let address = try await server.start()
    let probe = HealthProbe(
      store: store, health: health, readiness: readiness, logger: logger)
    await probe.probe()
    readiness.started()
    let reloader = Reloader(
      sources: access.sources(
        settings, served: Set(organizations.map(\.id)), callers, server, certificate),
      metrics: metrics, logger: logger)
    var tasks = [
      Task { await watch.run() }, Task { await scheduler.run() }, Task { await probe.run() },
      Task { await DatabaseLook(store: store, metrics: metrics).run() },
      Task { await DeadLogs(store: store).run() },
      Task { await LookupSetup.worker(store, feedClock, metrics).run() },
      Task { await anchors.run() },
      Task { await reloader.run { signals.takeHangup() } },
    ]
    if let seen { tasks.append(Task { await seen.run() }) }
    if let testClock {
      logger.warning("the clock is a test's: answers are of a time that is not")
      tasks.append(
        Task {
          await testClock.follow {
            scheduler.wake()
            watch.wake()
          }
        })
    }
    started(at: address, access)
    return Running(
      opened: opened, server: server, watch: watch, readiness: readiness, tasks: tasks,
      drainGrace: settings.connections.drainGrace, logger: logger,
      confirmClock: { [clock, logger] in
        (clock as? GuardedClock)?.confirm()
        logger.notice("the clock was confirmed by an operator")
        scheduler.wake()
      })
  }

  private func configuration(_ access: Access) throws -> RPCServerConfiguration {
    let listening = settings.listening
    var configuration = RPCServerConfiguration(
      host: listening.address.host, port: listening.address.port, loops: settings.loops,
      logger: Logger(label: "consentd.rpc"))
    settings.connections.apply(to: &configuration)
    configuration.tls = try access.tls?.configuration()
    configuration.plaintextAddress = listening.plaintext.map { ($0.host, $0.port) }
    configuration.reflectionDescriptorSet = ServiceDescriptors.bytes
    return configuration
  }

  private func started(at address: RPCServer.Address, _ access: Access) {
    if settings.listening.isPlaintextOnNetwork {
      logger.warning(
        "--plaintext-on-network: tokens and answers can be read by whoever sees the network")
    }
    logger.info(
      "started",
      metadata: [
        "address": "\(address)", "organizations": "\(organizations.count)",
        "tls": "\(access.tls != nil)", "version": "\(Consentd.version)",
      ])
  }
}
