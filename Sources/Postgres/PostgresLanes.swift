/// Several lanes to the same database. A job goes to the one with the least to do.
public final class PostgresLanes: Sendable {
  private let lanes: [PostgresLane]

  /// - Precondition: `count` is at least 1.
  public init(_ configuration: PostgresConfiguration, count: Int, queueLimit: Int = 256) {
    precondition(count >= 1)
    lanes = (0..<count).map { _ in PostgresLane(configuration, queueLimit: queueLimit) }
  }

  public var load: Int { lanes.reduce(0) { $0 + $1.load } }

  /// Jobs waiting and running, lane by lane.
  public var loads: [Int] { lanes.map(\.load) }

  /// See `PostgresLane.run`.
  public func run<Value: Sendable>(
    _ body: @escaping @Sendable (PostgresConnection) throws -> Value
  ) async throws -> Value {
    try await idlest().run(body)
  }

  /// See `PostgresLane.read`.
  public func read<Value: Sendable>(
    isolation: PostgresIsolation = .repeatableRead,
    deadline: ContinuousClock.Instant? = nil,
    _ body: @escaping @Sendable (PostgresConnection) throws -> Value
  ) async throws -> Value {
    try await idlest().read(isolation: isolation, deadline: deadline, body)
  }

  /// See `PostgresLane.submit`.
  public func submit(_ job: @escaping PostgresLane.Job) { idlest().submit(job) }

  /// Submits, for whoever has one job after the other. From within a job the next one goes to the same
  /// lane if nobody else waits for it: its thread goes on without being woken, and the server's
  /// process has at hand what the last job needed.
  ///
  /// - Parameter lane: of the job that this is called in; `nil` outside of one.
  public func submit(
    continuing lane: PostgresLane?,
    _ job:
      @escaping @Sendable (
        PostgresLane, Result<PostgresConnection, PostgresError>
      ) -> Void
  ) {
    let next = lane.map { $0.load <= 1 ? $0 : idlest() } ?? idlest()
    next.submit { job(next, $0) }
  }

  /// See `PostgresLane.submitTelling`.
  public func submitTelling(
    _ job:
      @escaping @Sendable (Result<PostgresConnection, PostgresError>) -> @Sendable () -> Void
  ) {
    idlest().submitTelling(job)
  }

  /// See `PostgresLane.stopReads`.
  public func stopReads() { for lane in lanes { lane.stopReads() } }

  /// Takes no more jobs, does those already taken, and closes all connections.
  public func close() async {
    await withTaskGroup(of: Void.self) { group in
      for lane in lanes { group.addTask { await lane.close() } }
    }
  }

  private func idlest() -> PostgresLane {
    var best = lanes[0]
    var bestLoad = best.load
    for lane in lanes.dropFirst() where bestLoad > 0 {
      let load = lane.load
      if load < bestLoad { (best, bestLoad) = (lane, load) }
    }
    return best
  }
}
