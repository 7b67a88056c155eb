internal import Postgres

/// What an operator has to know of the database before it fails.
public struct DatabaseVitals: Sendable, Hashable {
  /// An age above which vacuuming is behind: half of what is left at 2^31 would still be time to act.
  public static let ageAlarm: Int64 = 1_000_000_000

  /// The oldest transaction and multixact ids not frozen, over all databases of the server.
  public var transactionIDAge: Int64
  public var multixactIDAge: Int64

  public init(transactionIDAge: Int64, multixactIDAge: Int64) {
    self.transactionIDAge = transactionIDAge
    self.multixactIDAge = multixactIDAge
  }
}

/// How much a pool of connections has to do now.
public struct PoolLoad: Sendable, Hashable {
  public var lanes: Int
  public var busy: Int
  public var queued: Int

  public init(lanes: Int, busy: Int, queued: Int) {
    self.lanes = lanes
    self.busy = busy
    self.queued = queued
  }
}

extension PostgresConsentStore {
  /// - Throws: `StoreError.unavailable` when the database does not answer in time.
  public func vitals() async throws -> DatabaseVitals {
    let deadline = ContinuousClock.now + options.probeTimeout
    do {
      return try await reads.read(deadline: deadline) { connection in
        let (transactions, multixacts) = try connection.execute(.vitals).single()
          .decode(Int64.self, Int64.self)
        return DatabaseVitals(transactionIDAge: transactions, multixactIDAge: multixacts)
      }
    } catch {
      throw StoreFailure.public(error)
    }
  }

  /// The pools by name.
  public var load: [(name: String, load: PoolLoad)] {
    [
      ("decide", PoolLoad(deciders.lanes)), ("read", PoolLoad(reads)), ("write", PoolLoad(writes)),
    ]
  }
}

extension PoolLoad {
  init(_ lanes: PostgresLanes) {
    let loads = lanes.loads
    let busy = loads.count { $0 > 0 }
    self.init(lanes: loads.count, busy: busy, queued: loads.reduce(0, +) - busy)
  }
}

extension PostgresStatement {
  fileprivate static let vitals = PostgresStatement(
    name: "vitals",
    sql: """
      SELECT max(age(datfrozenxid))::bigint, max(mxid_age(datminmxid))::bigint FROM pg_database
      """)
}
