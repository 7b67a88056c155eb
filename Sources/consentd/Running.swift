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
  let tasks: [Task<Void, Never>]
  let logger: Logger

  static func start(_ settings: Settings) async throws -> Running {
    let logger = Logger(label: "consentd")
    let tokens = try TokenFile(contentsOf: settings.tokens)
    let wanted = try settings.organizations.map { try OrganizationFile(contentsOf: $0) }
    let testClock = try settings.testClock.map { try TestClock(path: $0) }
    let clock: any WallClock = testClock ?? SystemWallClock()
    let opened = try await OpenedStore.open(settings, clock: clock, logger: logger)
    do {
      for organization in wanted?.organizations ?? [] {
        try await opened.store.createOrganization(organization)
      }
      let organizations = try await opened.store.organizations()
      try require(organizations, for: tokens, settings)
      return try await serve(
        settings, opened, organizations, tokens, clock: clock, testClock: testClock, logger)
    } catch {
      await opened.close()
      throw error
    }
  }

  private static func require(
    _ organizations: [OrganizationSettings], for tokens: TokenFile, _ settings: Settings
  ) throws(StartFailure) {
    let unknown = tokens.organizations.subtracting(organizations.map(\.id)).sorted()
    guard unknown.isEmpty else {
      throw StartFailure(
        .configuration,
        "\(settings.tokens) names organization \(unknown[0]), which is not in the database; "
          + "add it with --organizations")
    }
  }

  private static func serve(
    _ settings: Settings, _ opened: OpenedStore, _ organizations: [OrganizationSettings],
    _ tokens: TokenFile, clock: any WallClock, testClock: TestClock?, _ logger: Logger
  ) async throws -> Running {
    let store = opened.store
    let metrics = Metrics()
    let feedClock = SystemFeedClock(wall: clock)
    let watch = WatchHub(source: StoreFeedSource(store: store), clock: feedClock) {
      metrics.advanced($0, to: $1.position)
    }
    let scheduler = ExpiryScheduler(
      store: store, clock: feedClock,
      report: { outcome in
        metrics.count(outcome)
        if !outcome.emitted.isEmpty { watch.wake() }
      })
    let checker = CheckerSetup.make(store: store, clock: clock, organizations: organizations)
    let service = ConsentService(
      store: store, checker: checker, clock: clock, calendars: try Calendars(organizations),
      watch: watch,
      changed: { organization in
        watch.wake()
        scheduler.changed(organization)
      }, logger: Logger(label: "consentd.service"))
    let health = HealthState(services: HealthProbe.services, status: .notServing)
    var configuration = RPCServerConfiguration(
      host: settings.host, port: settings.port, loops: settings.loops,
      logger: Logger(label: "consentd.rpc"))
    configuration.interceptor = Authentication(tokens: tokens).interceptor
    configuration.observer = { metrics.count($0) }
    configuration.reflectionDescriptorSet = ServiceDescriptors.bytes
    configuration.pages = Pages.all(health: health, metrics: metrics, watch: watch)
    let server = RPCServer(configuration: configuration, methods: service.methods, health: health)
    let address = try await server.start()
    let probe = HealthProbe(store: store, health: health, logger: logger)
    await probe.probe()
    var tasks = [
      Task { await watch.run() }, Task { await scheduler.run() }, Task { await probe.run() },
    ]
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
    logger.info(
      "started",
      metadata: [
        "address": "\(address)", "organizations": "\(organizations.count)",
        "version": "\(Consentd.version)",
      ])
    return Running(opened: opened, server: server, watch: watch, tasks: tasks, logger: logger)
  }

  /// Serves until a signal comes, then ends in good order: no new calls, calls in flight to their
  /// end, then what works beside them, then the store, then the database.
  func untilEnded(by signals: Signals) async {
    var received = signals.stream.makeAsyncIterator()
    _ = await received.next()
    logger.info("draining", metadata: ["grace": "30 s"])
    server.health.shutDown()
    await watch.close()
    let hurry = Task { [server, logger] in
      for await _ in signals.stream {
        logger.warning("hurrying: calls in flight are cut off")
        await server.drain(grace: .zero)
      }
    }
    await server.drain(grace: .seconds(30))
    hurry.cancel()
    for task in tasks { task.cancel() }
    for task in tasks { await task.value }
    await opened.close()
    logger.info("ended")
  }
}
