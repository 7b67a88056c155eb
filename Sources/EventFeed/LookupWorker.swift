public import ConsentCore
public import ConsentStore

/// What the worker did or found, for metrics and the log.
public enum LookupReport: Sendable {
  /// How far the look-up is behind; an organization that is not named is not behind.
  case looked([LookupBacklog])
  case extended(OrganizationID, decisions: Int)
  /// It is tried again, later and later. `nil`: nothing could be looked at.
  case failed(OrganizationID?, any Error)
}

/// How the worker works; times in microseconds of uptime.
public struct LookupConfiguration: Sendable {
  /// Between two looks for something to do.
  public var pauseMicroseconds: Int64
  /// Decisions in one transaction, about, where so many wait: the larger its run, the less often they
  /// are written again when runs are merged. It takes some tenths of a second and some MB of memory.
  public var decisionsPerStep: Int
  /// Rests so long after a step, in hundredths of the time it took: checks come first, also on a
  /// machine with few cores.
  public var restPercent: Int64
  /// New organizations are noticed within it.
  public var followMicroseconds: Int64
  public var firstRetryMicroseconds: Int64
  public var longestRetryMicroseconds: Int64

  public init(
    pauseMicroseconds: Int64 = 500_000, decisionsPerStep: Int = 32_768, restPercent: Int64 = 100,
    followMicroseconds: Int64 = 10_000_000, firstRetryMicroseconds: Int64 = 500_000,
    longestRetryMicroseconds: Int64 = 60_000_000
  ) {
    precondition(
      pauseMicroseconds > 0 && decisionsPerStep > 0 && (0...10_000).contains(restPercent)
        && followMicroseconds > 0)
    precondition(firstRetryMicroseconds > 0 && longestRetryMicroseconds >= firstRetryMicroseconds)
    self.pauseMicroseconds = pauseMicroseconds
    self.decisionsPerStep = decisionsPerStep
    self.restPercent = restPercent
    self.followMicroseconds = followMicroseconds
    self.firstRetryMicroseconds = firstRetryMicroseconds
    self.longestRetryMicroseconds = longestRetryMicroseconds
  }
}

/// Keeps the look-up of logged decisions up with the logs, behind the answer path.
///
/// Any number of nodes may run one; there is no leader (see `DecisionLookup.extendLookup`). No
/// answer depends on it: what it has not done yet makes questions slower, and none incomplete.
public actor LookupWorker {
  private let lookup: any DecisionLookup
  private let organizations: @Sendable () async throws -> [OrganizationID]
  private let clock: any FeedClock
  private let configuration: LookupConfiguration
  private let report: @Sendable (LookupReport) -> Void
  private var followed: (organizations: [OrganizationID], at: Int64)?
  /// How long the last look took.
  private var lookMicroseconds: Int64 = 0
  private var failing: [OrganizationID: (failures: Int, until: Int64)] = [:]

  public init(
    lookup: any DecisionLookup,
    organizations: @Sendable @escaping () async throws -> [OrganizationID],
    clock: any FeedClock, configuration: LookupConfiguration = .init(),
    report: @escaping @Sendable (LookupReport) -> Void = { _ in }
  ) {
    self.lookup = lookup
    self.organizations = organizations
    self.clock = clock
    self.configuration = configuration
    self.report = report
  }

  /// Works until the task is cancelled.
  public func run() async {
    var failures = 0
    while !Task.isCancelled {
      do {
        let isBehind = try await sweep()
        failures = 0
        if !isBehind {
          // Many logs that nobody ended make looking itself dear; it then is done less often.
          let took = min(max(0, lookMicroseconds), 1_000_000)
          try await clock.sleep(microseconds: max(configuration.pauseMicroseconds, took * 10))
        }
      } catch is CancellationError {
        return
      } catch {
        failures += 1
        report(.failed(nil, error))
        try? await clock.sleep(microseconds: delay(failures))
      }
    }
  }

  /// Looks once, and does one step for each organization that is behind, resting after each.
  /// - Returns: whether there is more to do at once.
  @discardableResult
  public func sweep() async throws -> Bool {
    let organizations = try await follow()
    let start = clock.uptime()
    let backlog = try await lookup.lookupBacklog(of: organizations)
    lookMicroseconds = clock.uptime() - start
    report(.looked(backlog))
    var isBehind = false
    for behind in backlog where behind.isDue && mayWork(on: behind.organization) {
      try Task.checkCancellation()
      let done = await step(behind.organization)
      if done > 0, UInt64(clamping: done) < behind.decisions { isBehind = true }
    }
    return isBehind
  }

  private func step(_ organization: OrganizationID) async -> Int {
    let start = clock.uptime()
    do {
      let done = try await lookup.extendLookup(
        of: organization, atMost: configuration.decisionsPerStep)
      failing[organization] = nil
      if done > 0 { report(.extended(organization, decisions: done)) }
      let took = max(0, clock.uptime() - start)
      let rest = min(took, 60_000_000) * configuration.restPercent / 100
      if rest > 0 { try? await clock.sleep(microseconds: rest) }
      return done
    } catch {
      let failures = (failing[organization]?.failures ?? 0) + 1
      failing[organization] = (failures, clock.uptime() + delay(failures))
      report(.failed(organization, error))
      return 0
    }
  }

  private func mayWork(on organization: OrganizationID) -> Bool {
    failing[organization].map { clock.uptime() >= $0.until } ?? true
  }

  private func delay(_ failures: Int) -> Int64 {
    Backoff.delay(
      failures: failures, first: configuration.firstRetryMicroseconds,
      most: configuration.longestRetryMicroseconds)
  }

  private func follow() async throws -> [OrganizationID] {
    let uptime = clock.uptime()
    if let followed, uptime - followed.at < configuration.followMicroseconds {
      return followed.organizations
    }
    let current = try await organizations()
    followed = (current, uptime)
    return current
  }
}
