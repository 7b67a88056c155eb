internal import Synchronization

/// A thread with a connection, which does one job after the other.
///
/// libpq blocks, so each connection has a thread of its own and the callers await. A lane connects
/// when it has something to do, and again after a connection is lost. While the database cannot be
/// reached, jobs fail at once between two attempts instead of waiting.
public final class PostgresLane: Sendable {
  public typealias Job = @Sendable (Result<PostgresConnection, PostgresError>) -> Void

  private let worker: LaneWorker
  private let stop = ReadStop()

  /// - Parameter queueLimit: how many jobs may wait.
  public init(_ configuration: PostgresConfiguration, queueLimit: Int = 256) {
    worker = LaneWorker(configuration, queueLimit: queueLimit)
    if !NativeThread.start({ [worker] in worker.run() }) { worker.refuse() }
  }

  deinit { worker.close(nil) }

  /// Jobs waiting and running.
  public var load: Int { worker.load }

  /// Runs `body` with the connection.
  ///
  /// What `body` leaves open is undone afterwards. `body` runs once at most: nothing is repeated
  /// here, because only the caller knows whether it may be.
  /// - Throws: `.queueFull`, `.closed`, `.connectFailed` before `body` runs; then what it throws.
  public func run<Value: Sendable>(
    _ body: @escaping @Sendable (PostgresConnection) throws -> Value
  ) async throws -> Value {
    try await withCheckedThrowingContinuation { continuation in
      worker.submit { connection in
        let result = Result { try body(connection.get()) }
        return { continuation.resume(with: result) }
      }
    }
  }

  /// Runs `body` in a READ ONLY transaction that ends by `deadline`: a statement still running then
  /// is cancelled.
  /// - Throws: as `run`, and `.deadlineExceeded`.
  public func read<Value: Sendable>(
    isolation: PostgresIsolation = .repeatableRead,
    deadline: ContinuousClock.Instant? = nil,
    _ body: @escaping @Sendable (PostgresConnection) throws -> Value
  ) async throws -> Value {
    try await run { [stop] connection in
      // Also a read without a deadline can be ended, by a deadline that is never reached.
      try connection.read(
        isolation: isolation,
        deadline: ReadDeadline(deadline ?? .now + .seconds(1_000_000_000), stop: stop), body)
    }
  }

  /// Ends the reads under way and waiting, as if their deadlines had passed. There is no way back:
  /// it is meant to come before `close`.
  public func stopReads() { stop.set() }

  /// Gives the lane a job without awaiting it. `job` is called exactly once: on the lane's thread
  /// with the connection, or with the reason why there is none (then possibly on this thread).
  public func submit(_ job: @escaping Job) {
    worker.submit { connection in
      job(connection)
      return nil
    }
  }

  /// The same for a job that has somebody to tell: what it returns is called when the lane is ready
  /// for more, so that whoever is told finds the lane as idle as it is.
  public func submitTelling(
    _ job:
      @escaping @Sendable (Result<PostgresConnection, PostgresError>) -> @Sendable () -> Void
  ) {
    worker.submit { job($0) }
  }

  /// Takes no more jobs, does those already taken, and closes the connection.
  public func close() async {
    await withCheckedContinuation { continuation in
      worker.close { continuation.resume() }
    }
  }
}

extension PostgresConnection {
  /// Runs `body` in a READ ONLY transaction that ends by `deadline`.
  public func read<Value>(
    isolation: PostgresIsolation = .repeatableRead,
    deadline: ContinuousClock.Instant? = nil,
    _ body: (PostgresConnection) throws -> Value
  ) throws -> Value {
    try read(isolation: isolation, deadline: deadline.map { ReadDeadline($0) }, body)
  }

  func read<Value>(
    isolation: PostgresIsolation, deadline: ReadDeadline?,
    _ body: (PostgresConnection) throws -> Value
  ) throws -> Value {
    try requireNoTransaction()
    self.deadline = deadline
    defer { endDeadline() }
    return try transaction(isolation: isolation, readOnly: true, body)
  }
}
