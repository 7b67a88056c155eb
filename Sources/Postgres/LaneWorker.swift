internal import Synchronization

/// The thread's side of a lane.
final class LaneWorker: Sendable {
  /// What it returns is called when the connection is in order again and the lane ready for more, so
  /// that whoever gets a result finds the lane as idle as it is.
  typealias Job = @Sendable (Result<PostgresConnection, PostgresError>) -> (() -> Void)?

  private struct State {
    var jobs: [Job] = []
    var isRunning = false
    var isClosing = false
    var hasEnded = false
    var onEnd: [@Sendable () -> Void] = []
  }

  private let configuration: PostgresConfiguration
  private let queueLimit: Int
  private let state = Mutex(State())
  private let work = Semaphore()

  init(_ configuration: PostgresConfiguration, queueLimit: Int) {
    self.configuration = configuration
    self.queueLimit = queueLimit
  }

  var load: Int { state.withLock { $0.jobs.count + ($0.isRunning ? 1 : 0) } }

  func submit(_ job: @escaping Job) {
    let refusal: PostgresError? = state.withLock { state in
      if state.isClosing { return PostgresError(.closed, "the lane is closed") }
      if state.jobs.count >= queueLimit {
        return PostgresError(.queueFull, "too many jobs are waiting for the database")
      }
      state.jobs.append(job)
      return nil
    }
    if let refusal {
      job(.failure(refusal))?()
    } else {
      work.signal()
    }
  }

  /// - Parameter onEnd: called when the last job is done and the connection closed.
  func close(_ onEnd: (@Sendable () -> Void)?) {
    let hasEnded = state.withLock { state in
      state.isClosing = true
      if let onEnd, !state.hasEnded { state.onEnd.append(onEnd) }
      return state.hasEnded
    }
    work.signal()
    if hasEnded { onEnd?() }
  }

  /// The thread could not be started.
  func refuse() {
    state.withLock { state in
      state.isClosing = true
      state.hasEnded = true
    }
  }

  func run() {
    var session = LaneSession(configuration)
    while true {
      work.wait()
      let (job, isOver) = state.withLock { state -> (Job?, Bool) in
        guard !state.jobs.isEmpty else { return (nil, state.isClosing) }
        state.isRunning = true
        return (state.jobs.removeFirst(), false)
      }
      if let job {
        let report = session.perform(job)
        state.withLock { $0.isRunning = false }
        report?()
      } else if isOver {
        break
      }
    }
    session.close()
    let onEnd = state.withLock { state in
      state.hasEnded = true
      defer { state.onEnd = [] }
      return state.onEnd
    }
    for call in onEnd { call() }
  }
}

/// The connection of a lane, made anew when it is lost.
struct LaneSession {
  private let configuration: PostgresConfiguration
  private var connection: PostgresConnection?
  private var lastFailure: PostgresError?
  private var nextAttempt = ContinuousClock.now
  private var pause = Self.shortestPause

  private static let shortestPause = Duration.milliseconds(50)
  private static let longestPause = Duration.seconds(1)

  init(_ configuration: PostgresConfiguration) { self.configuration = configuration }

  mutating func perform(_ job: LaneWorker.Job) -> (() -> Void)? {
    do throws(PostgresError) {
      let connection = try usableConnection()
      let report = job(.success(connection))
      if !connection.settle() { self.connection = nil }
      return report
    } catch {
      return job(.failure(error))
    }
  }

  mutating func close() { connection = nil }

  /// The connection, or the reason why there is none. Between two attempts the reason is that of the
  /// last one, at once.
  private mutating func usableConnection() throws(PostgresError) -> PostgresConnection {
    if let connection, connection.isAlive() { return connection }
    connection = nil
    if let lastFailure, ContinuousClock.now < nextAttempt { throw lastFailure }
    do throws(PostgresError) {
      let new = try PostgresConnection(configuration)
      connection = new
      lastFailure = nil
      pause = Self.shortestPause
      return new
    } catch {
      lastFailure = error
      nextAttempt = ContinuousClock.now + pause
      pause = min(pause * 2, Self.longestPause)
      throw error
    }
  }
}
