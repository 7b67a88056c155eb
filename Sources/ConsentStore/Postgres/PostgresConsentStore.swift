public import ConsentCore
public import Postgres
public import ProofLog
internal import Synchronization

/// The product's store: PostgreSQL 15 or later, one transaction a change.
///
/// Connect as `consentd_server`; the schema must have been brought up to date by `Migrator`.
public final class PostgresConsentStore: ConsentStore {
  public struct Options: Sendable {
    /// 32 bytes each, from outside the database. The first wraps new data keys; all unwrap.
    public var masterKeys: [[UInt8]]
    /// Signs the roots of this node's logs; `nil`: receipts are not signed.
    public var logSigner: LogSigner?
    public var readLanes: Int
    public var writeLanes: Int
    public var decisionLanes: Int
    /// Calls of one organization that may wait for a decision.
    public var decisionQueueLimit: Int
    /// Changes of one organization that may wait for a transaction.
    public var writeQueueLimit: Int
    /// Changes that share a transaction at most.
    public var writeGroupLimit: Int
    /// How long a transaction holds the organization's lock before it begins no further change.
    public var writeLockTime: Duration
    /// How long the outcome of a write is looked for when its reply was lost.
    public var resolutionTimeout: Duration
    /// A read that takes longer, with its time in the queue, is cancelled and counts as unavailable.
    public var readTimeout: Duration
    /// The same for the probe of a health check.
    public var probeTimeout: Duration
    var lookupShape = LookupShape()
    #if DEBUG
      var brokenWrites: BrokenWrites?
      var brokenLookup: BrokenLookup?
      var brokenClosing: BrokenClosing?
      var brokenActivity: BrokenActivity?
      /// Called at each of the places; what it throws ends the work there.
      var reachesLookup: (@Sendable (LookupPoint) throws -> Void)?
    #endif

    public init(
      masterKeys: [[UInt8]], logSigner: LogSigner? = nil, readLanes: Int = 4, writeLanes: Int = 2,
      decisionLanes: Int = 2, decisionQueueLimit: Int = 10_000, writeQueueLimit: Int = 4_096,
      writeGroupLimit: Int = 64, writeLockTime: Duration = .milliseconds(20),
      resolutionTimeout: Duration = .seconds(10),
      readTimeout: Duration = .seconds(25), probeTimeout: Duration = .seconds(2)
    ) {
      self.masterKeys = masterKeys
      self.logSigner = logSigner
      self.readLanes = readLanes
      self.writeLanes = writeLanes
      self.decisionLanes = decisionLanes
      self.decisionQueueLimit = decisionQueueLimit
      self.writeQueueLimit = writeQueueLimit
      self.writeGroupLimit = writeGroupLimit
      self.writeLockTime = writeLockTime
      self.resolutionTimeout = resolutionTimeout
      self.readTimeout = readTimeout
      self.probeTimeout = probeTimeout
    }
  }

  /// Of the cluster that every connection must reach.
  public let systemIdentifier: Int64?

  let clock: any WallClock
  let options: Options
  let keys: KeyRing
  let reads: PostgresLanes
  let writes: PostgresLanes
  let writers: WriteBatchers
  let history = FeedHistory()
  /// Of its own, so that a health check never waits behind reports.
  private let probes: PostgresLane
  /// Of its own too: the look-up of decisions waits for nobody's reads, and holds up nobody's.
  let lookups: PostgresLane
  let deciders: DecisionBatchers
  let activities: ActivityBatchers
  private let configuration: PostgresConfiguration
  /// The connections that read whole registers now.
  private let wholes = Mutex<[ObjectIdentifier: PostgresLane]>([:])

  /// Connects and refuses a database that may not be trusted.
  /// - Throws: `SchemaError`, or `StoreError.unavailable` naming what is wrong.
  public static func open(
    _ configuration: PostgresConfiguration, clock: any WallClock, options: Options
  ) async throws -> PostgresConsentStore {
    var configuration = configuration
    configuration.searchPath = "consentd"
    do {
      // From here on, whoever answers must be of the cluster that answered first.
      configuration.systemIdentifier = try await PostgresLane(configuration).run {
        try $0.systemIdentifier()
      }
    } catch {
      throw StoreFailure.public(error)
    }
    let store = PostgresConsentStore(
      configuration, clock: clock, options: options,
      keys: try KeyRing(masters: options.masterKeys, signer: options.logSigner))
    do {
      try await store.reads.run { connection in
        try Migrator().verify(connection)
        try ServerRequirements.check(connection)
      }
    } catch {
      await store.close()
      throw StoreFailure.public(error)
    }
    return store
  }

  private init(
    _ configuration: PostgresConfiguration, clock: any WallClock, options: Options, keys: KeyRing
  ) {
    var configuration = configuration
    configuration.applicationName += " " + keys.run.text
    systemIdentifier = configuration.systemIdentifier
    self.configuration = configuration
    self.clock = clock
    self.options = options
    self.keys = keys
    reads = PostgresLanes(configuration, count: max(1, options.readLanes), queueLimit: 4_096)
    probes = PostgresLane(configuration, queueLimit: 64)
    lookups = PostgresLane(configuration, queueLimit: 64)
    writes = PostgresLanes(configuration, count: max(1, options.writeLanes), queueLimit: 4_096)
    writers = WriteBatchers(
      lanes: writes, clock: clock, keys: keys, history: history, options: options)
    deciders = DecisionBatchers(
      lanes: PostgresLanes(
        configuration, count: max(1, options.decisionLanes), queueLimit: 4_096),
      clock: clock, keys: keys, queueLimit: options.decisionQueueLimit)
    activities = ActivityBatchers(
      lanes: PostgresLanes(configuration, count: 1, queueLimit: 4_096), clock: clock, keys: keys,
      options: options)
  }

  public func read<Result: Sendable>(
    _ organization: OrganizationID, _ body: @Sendable @escaping (any FactReader) throws -> Result
  ) async throws -> Result {
    let deadline = ContinuousClock.now + options.readTimeout
    return try await onceMore { [reads, keys, clock, history] in
      try await reads.read(deadline: deadline) { connection in
        let entry = try TransactionEntry.read(connection, organization)
        let view = PostgresView(connection, entry, keys: keys, clock: clock.now())
        try history.requireKnownKinds(view)
        return try body(view)
      }
    }
  }

  /// On a connection of its own, which is closed afterwards.
  public func readWhole<Result: Sendable>(
    _ organization: OrganizationID, _ body: @Sendable @escaping (any FactReader) throws -> Result
  ) async throws -> Result {
    let lane = PostgresLane(configuration)
    wholes.withLock { $0[ObjectIdentifier(lane)] = lane }
    do {
      let result = try await lane.read { [keys, clock, history] connection in
        let entry = try TransactionEntry.read(connection, organization)
        let view = PostgresView(connection, entry, keys: keys, clock: clock.now())
        try history.requireKnownKinds(view)
        let result = try body(view)
        connection.returnFreedMemory()
        return result
      }
      await end(lane)
      return result
    } catch {
      await end(lane)
      throw StoreFailure.public(error)
    }
  }

  private func end(_ lane: PostgresLane) async {
    _ = wholes.withLock { $0.removeValue(forKey: ObjectIdentifier(lane)) }
    await lane.close()
  }

  public func decide(
    _ organization: OrganizationID,
    _ body: @Sendable @escaping (any FactReader) throws -> [DecisionEntry]
  ) async throws -> [LoggedDecision] {
    let body = refusingPermits(by: clock, body)
    return try await deciders.decide(organization) { [history] reader in
      if let view = reader as? PostgresView { try history.requireKnownKinds(view) }
      return try body(reader)
    }
  }

  public func append(
    _ organization: OrganizationID, _ taken: TakenDecisions, if condition: AppendCondition
  ) async throws -> AppendOutcome {
    try await deciders.append(organization, taken, if: condition)
  }

  public func organizations() async throws -> [OrganizationSettings] {
    let deadline = ContinuousClock.now + options.readTimeout
    return try await onceMore { [reads] in
      try await reads.read(deadline: deadline) { connection in
        try connection.execute(.becomeEngine)
        return try connection.execute(.organizations).rows.map { row in
          let (id, name, timeZone) = try row.decode(
            OrganizationID.self, String.self, String.self)
          return OrganizationSettings(id: id, name: name, timeZone: timeZone)
        }
      }
    }
  }

  public func createOrganization(_ settings: OrganizationSettings) async throws {
    try await onceMore { [writes, keys, clock] in
      try await writes.run { connection in
        try connection.transaction { connection in
          let results = try connection.pipeline { pipeline in
            _ = try TransactionEntry.enter(&pipeline, settings.id)
            try pipeline.execute(
              .createOrganization, settings.id, settings.name, settings.timeZone, clock.now())
            try pipeline.execute(.organization, settings.id)
          }
          try TransactionEntry.checkEntered(results.result(0))
          let created = try results.result(1).rowCount == 1
          let (name, timeZone) = try results.result(2).single().decode(String.self, String.self)
          guard name == settings.name, timeZone == settings.timeZone else {
            throw InvalidChange("the organization exists with other settings")
          }
          guard created else { return }
          for purpose in KeyRing.Purpose.allCases {
            let wrapped = try keys.makeKey(settings.id, purpose, version: 1)
            try connection.execute(
              .createDataKey, settings.id, purpose.rawValue, Int32(1), wrapped, clock.now())
          }
        }
      }
    }
  }

  public func probe() async throws {
    let deadline = ContinuousClock.now + options.probeTimeout
    try await onceMore { [probes] in
      try await probes.read(deadline: deadline) { try ServerRequirements.check($0) }
    }
  }

  /// Reads still under way are cancelled; decisions and writes end as they would.
  public func close() async {
    reads.stopReads()
    probes.stopReads()
    lookups.stopReads()
    for lane in wholes.withLock({ Array($0.values) }) { lane.stopReads() }
    await activities.close()
    await deciders.close()
    await writers.close()
    await writes.close()
    await reads.close()
    await probes.close()
    await lookups.close()
  }

  /// Runs what has no effect when repeated; a connection lost since its last use is no reason to
  /// refuse.
  private func onceMore<Value: Sendable>(
    _ body: @Sendable () async throws -> Value
  ) async throws -> Value {
    do {
      do {
        return try await body()
      } catch let error as PostgresError where error.isRetryable || error.outcomeUnknown {
        return try await body()
      }
    } catch {
      throw StoreFailure.public(error)
    }
  }
}

extension PostgresStatement {
  fileprivate static let becomeEngine = PostgresStatement(
    name: "become_engine", sql: "SET LOCAL ROLE consentd_engine")
  fileprivate static let organizations = PostgresStatement(
    name: "organizations",
    sql: "SELECT organization_id, name, time_zone FROM organization ORDER BY organization_id")
  fileprivate static let createOrganization = PostgresStatement(
    name: "create_organization",
    sql: """
      INSERT INTO organization (organization_id, name, time_zone, created)
      VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING RETURNING organization_id
      """)
  fileprivate static let createDataKey = PostgresStatement(
    name: "create_data_key",
    sql: """
      INSERT INTO data_key (organization_id, purpose, version, wrapped, created)
      VALUES ($1, $2, $3, $4, $5)
      """)
}
