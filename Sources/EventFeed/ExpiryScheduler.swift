public import ConsentCore
public import ConsentStore
internal import Synchronization

/// Tells what the clock brings: ends by date, majority and named event, activations, ends that come
/// near, named events overdue. Each exactly once, for its exact instant, also when nothing ran then.
///
/// Any number of nodes may run one; there is no leader and no claim (see `ExpiryRound`). Decisions
/// never wait for it and never depend on it: a clock set back leaves what was told as it is.
public actor ExpiryScheduler {
  private let store: any ConsentStore
  private let clock: any FeedClock
  private let configuration: ExpiryConfiguration
  private let mayTrustClock: @Sendable () -> Bool
  private let report: @Sendable (ExpiryOutcome) -> Void

  private let due: DueQuestion
  private let signal = WakeSignal()
  private let changes = Mutex<Set<OrganizationID>>([])
  private var agenda = ExpiryAgenda()
  private var progress: [OrganizationID: ExpiryProgress] = [:]
  private var working: Set<OrganizationID> = []

  /// - Parameters:
  ///   - mayTrustClock: false while the wall clock has jumped and nobody has confirmed it; nothing
  ///     expires meanwhile.
  ///   - report: told what each round did; for metrics.
  public init(
    store: any ConsentStore, clock: any FeedClock, configuration: ExpiryConfiguration = .init(),
    mayTrustClock: @escaping @Sendable () -> Bool = { true },
    report: @escaping @Sendable (ExpiryOutcome) -> Void = { _ in }
  ) {
    self.init(
      store: store, clock: clock, configuration: configuration, mayTrustClock: mayTrustClock,
      report: report,
      due: { reader, at, patient in try DueEvents(reader, at: at).change(of: patient) })
  }

  init(
    store: any ConsentStore, clock: any FeedClock, configuration: ExpiryConfiguration,
    mayTrustClock: @escaping @Sendable () -> Bool,
    report: @escaping @Sendable (ExpiryOutcome) -> Void, due: @escaping DueQuestion
  ) {
    self.store = store
    self.clock = clock
    self.configuration = configuration
    self.mayTrustClock = mayTrustClock
    self.report = report
    self.due = due
  }

  /// Something was recorded: look at the organization soon.
  public nonisolated func changed(_ organization: OrganizationID) {
    changes.withLock { _ = $0.insert(organization) }
    signal.raise()
  }

  /// Look again at once, such as after the clock was confirmed.
  public nonisolated func wake() { signal.raise() }

  /// Works until the task is cancelled: sleeps until something is due or recorded, and waits longer
  /// and longer where an organization, or the store, fails.
  public func run() async {
    var failures = 0
    var followedAt: Int64?
    while !Task.isCancelled {
      let uptime = clock.uptime()
      if followedAt.map({ uptime - $0 >= configuration.longestSleepMicroseconds }) ?? true {
        guard await followOrganizations() else {
          failures += 1
          try? await clock.sleep(microseconds: retryDelay(failures))
          continue
        }
        failures = 0
        followedAt = uptime
      }
      takeChanges()
      let isTrusted = mayTrustClock()
      if isTrusted {
        for organization in agenda.ready(at: clock.now(), uptime: clock.uptime())
        where !Task.isCancelled {
          await work(on: organization, at: clock.now())
        }
        takeChanges()
      }
      let longest = configuration.longestSleepMicroseconds
      let sleep =
        isTrusted
        ? agenda.sleep(at: clock.now(), uptime: clock.uptime(), longest: longest) : longest
      await signal.wait(atMost: sleep, clock: clock)
    }
  }

  /// Does everything that is due at `instant`, for every organization, and returns what was done.
  /// - Throws: if the organizations cannot be listed; what fails within one is in its outcome.
  @discardableResult
  public func tick(at instant: Instant) async throws -> [ExpiryOutcome] {
    agenda.follow(try await store.organizations().map(\.id))
    takeChanges()
    guard mayTrustClock() else { return [] }
    var outcomes: [ExpiryOutcome] = []
    for organization in agenda.entries.keys.sorted() {
      if let outcome = await work(on: organization, at: instant) { outcomes.append(outcome) }
    }
    return outcomes
  }

  private func followOrganizations() async -> Bool {
    guard let organizations = try? await store.organizations() else { return false }
    agenda.follow(organizations.map(\.id))
    return true
  }

  private func takeChanges() {
    let changed = changes.withLock { changes in
      defer { changes.removeAll() }
      return changes
    }
    for organization in changed { agenda.touch(organization) }
  }

  private func retryDelay(_ failures: Int) -> Int64 {
    Backoff.delay(
      failures: failures, first: configuration.firstRetryMicroseconds,
      most: configuration.longestRetryMicroseconds)
  }

  /// - Returns: `nil` if another round for the organization is under way here.
  @discardableResult
  private func work(on organization: OrganizationID, at instant: Instant) async -> ExpiryOutcome? {
    guard working.insert(organization).inserted else { return nil }
    defer { working.remove(organization) }
    let dueSince = agenda.entries[organization]?.dueAt
    agenda.begin(organization)
    let round = ExpiryRound(
      store: store, clock: clock, configuration: configuration, organization: organization,
      at: instant, due: due)
    var outcome = ExpiryOutcome(organization: organization, at: instant)
    do {
      let done = try await round.run(since: progress[organization], &outcome)
      progress[organization] = done
      // Failed patients are looked at again even if nothing else happens.
      let retry = instant.adding(microseconds: configuration.longestRetryMicroseconds)
      let next = done.failed.isEmpty ? outcome.next : min(outcome.next ?? retry, retry)
      outcome.next = next
      agenda.finish(
        organization, nextDue: next,
        settledAt: clock.uptime() + configuration.settleMicroseconds)
    } catch {
      outcome.failure = error as? StoreError ?? .unavailable("expiry round broken off")
      outcome.lagMicroseconds = max(
        outcome.lagMicroseconds, dueSince?.microseconds(until: instant) ?? 0)
      agenda.fail(organization, uptime: clock.uptime(), delay: retryDelay)
    }
    report(outcome)
    return outcome
  }
}
