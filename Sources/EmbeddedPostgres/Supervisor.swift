internal import Dispatch
internal import Foundation
internal import Glibc
internal import Synchronization

/// The thread that starts the server, watches it, starts it again and stops it.
///
/// One thread does all of it, in that order, so nothing of this needs a lock but the few values that
/// others read.
final class Supervisor: Sendable {
  struct Status: Sendable {
    var process: Int32 = 0
    var restarts = 0
    var wasAdopted = false
  }

  private struct State {
    var status = Status()
    var cluster: Cluster?
    var stopTimeout: Duration?
    var hasEnded = false
    var stopOutcome: Result<Void, any Error>?
    var waiting: [CheckedContinuation<Void, any Error>] = []
  }

  private let directory: String
  private let options: EmbeddedPostgres.Options
  private let log: @Sendable (String) -> Void
  private let state = Mutex(State())
  private let wake = DispatchSemaphore(value: 0)

  /// How often the server is looked after.
  private static let watchMilliseconds = 200

  init(
    directory: String, options: EmbeddedPostgres.Options, log: @escaping @Sendable (String) -> Void
  ) {
    self.directory = directory
    self.options = options
    self.log = log
  }

  var status: Status { state.withLock { $0.status } }

  func conninfo(user: String, password: String?, database: String) -> String {
    let cluster = state.withLock { $0.cluster }
    return cluster?.conninfo(user: user, password: password, database: database) ?? ""
  }

  func start() async throws {
    try await withCheckedThrowingContinuation { continuation in
      let thread = Thread { self.run(started: continuation) }
      thread.name = "postgres-supervisor"
      thread.start()
    }
  }

  func stop(timeout: Duration) async throws {
    try await withCheckedThrowingContinuation { continuation in
      let outcome: Result<Void, any Error>? = state.withLock { state in
        if state.hasEnded { return state.stopOutcome ?? .success(()) }
        state.waiting.append(continuation)
        state.stopTimeout = state.stopTimeout ?? timeout
        return nil
      }
      if let outcome { continuation.resume(with: outcome) } else { wake.signal() }
    }
  }

  /// Stops the server when there is nobody to await it. Blocks.
  func stopAtExit(timeout: Duration) {
    state.withLock { $0.stopTimeout = $0.stopTimeout ?? timeout }
    wake.signal()
    let deadline = ContinuousClock.now + timeout
    while !state.withLock({ $0.hasEnded }), ContinuousClock.now < deadline { usleep(5_000) }
  }

  private var stopTimeout: Duration? { state.withLock { $0.stopTimeout } }

  private func run(started continuation: CheckedContinuation<Void, any Error>) {
    let cluster: Cluster
    let lock: DirectoryLock
    var process: ServerProcess
    do {
      (cluster, lock) = try open()
      process = try bringUp(cluster, until: ContinuousClock.now + options.startTimeout)
    } catch {
      continuation.resume(throwing: error)
      return
    }
    state.withLock { state in
      state.cluster = cluster
      state.status.process = process.id
      state.status.wasAdopted = !process.isChild
    }
    continuation.resume()
    watch(cluster, &process)
    let outcome = Result { try stop(process, cluster) }
    // The lock goes before the report, so that whoever awaited the stop can start again.
    if case .success = outcome { withExtendedLifetime(lock) {} } else { keep(lock) }
    end(outcome)
  }

  /// Prepares the folder and takes its lock.
  private func open() throws(EmbeddedPostgresError) -> (Cluster, DirectoryLock) {
    let account = try ServerAccount.current()
    let path = Files.absolute(directory)
    // Before anything is made there.
    _ = try ClusterLayout(root: path)
    try account.checkReach(path)
    if !Files.exists(path) {
      try Files.makeParents(of: path)
      try Files.makePrivateFolder(path, for: account)
    }
    guard let root = Files.realPath(path) else { throw Files.failure("find", path) }
    let layout = try ClusterLayout(root: root)
    try account.checkReach(root)
    let lock = try DirectoryLock(layout.lock)
    let cluster = try Cluster(layout: layout, account: account, options: options, log: log)
    return (cluster, lock)
  }

  /// Watches until the server is to stop. A server that died is started again, as often as needed.
  private func watch(_ cluster: Cluster, _ process: inout ServerProcess) {
    while stopTimeout == nil {
      _ = wake.wait(timeout: .now() + .milliseconds(Self.watchMilliseconds))
      guard stopTimeout == nil, !process.isAlive() else { continue }
      log("PostgreSQL (process \(process.id)) has died; starting it again")
      while stopTimeout == nil {
        do {
          process = try bringUp(cluster, until: ContinuousClock.now + options.startTimeout)
          let id = process.id
          state.withLock { state in
            state.status.process = id
            state.status.restarts += 1
          }
          log("PostgreSQL runs again (process \(id))")
          break
        } catch {
          log("\(error)")
          _ = wake.wait(timeout: .now() + .seconds(1))
        }
      }
    }
  }

  /// Finds or starts the server and waits until it answers.
  private func bringUp(
    _ cluster: Cluster, until deadline: ContinuousClock.Instant
  ) throws(EmbeddedPostgresError) -> ServerProcess {
    var starting = ServerStart(cluster: cluster, log: log)
    do throws(EmbeddedPostgresError) {
      while true {
        if let process = try starting.step() { return process }
        guard ContinuousClock.now < deadline, stopTimeout == nil else {
          throw EmbeddedPostgresError(
            .startFailed,
            "PostgreSQL in \(cluster.layout.data) is not ready: \(starting.lastProblem)")
        }
        _ = wake.wait(timeout: .now() + .milliseconds(starting.pauseMilliseconds))
      }
    } catch {
      // What we started and nobody will watch must not stay. What we found is not ours to stop.
      if let process = starting.process, process.isChild {
        process.send(SIGINT)
        if !waitForEnd(process, .seconds(10)) { process.send(SIGQUIT) }
      }
      throw error
    }
  }

  private func stop(_ process: ServerProcess, _ cluster: Cluster) throws {
    let timeout = stopTimeout ?? .seconds(30)
    process.send(SIGINT)
    if waitForEnd(process, timeout) {
      waitForRest(cluster)
      return
    }
    log("PostgreSQL has not stopped within \(timeout); stopping it at once")
    process.send(SIGQUIT)
    if waitForEnd(process, .seconds(10)) {
      waitForRest(cluster)
      return
    }
    throw EmbeddedPostgresError(
      .stopFailed, "PostgreSQL (process \(process.id)) in \(cluster.layout.data) does not stop")
  }

  private func waitForEnd(_ process: ServerProcess, _ timeout: Duration) -> Bool {
    let deadline = ContinuousClock.now + timeout
    while process.isAlive() {
      guard ContinuousClock.now < deadline else { return false }
      usleep(10_000)
    }
    return true
  }

  /// The process that writes the log ends a little after the first one. Only then is the folder free
  /// to be moved or removed.
  private func waitForRest(_ cluster: Cluster) {
    let deadline = ContinuousClock.now + .seconds(5)
    while !ServerProcess.working(in: cluster.layout.data).isEmpty, ContinuousClock.now < deadline {
      usleep(10_000)
    }
  }

  /// Nobody may start a second server while the first does not stop.
  private func keep(_ lock: DirectoryLock) { unsafe _ = Unmanaged.passRetained(lock) }

  private func end(_ outcome: Result<Void, any Error>) {
    let waiting = state.withLock { state in
      state.hasEnded = true
      state.stopOutcome = outcome
      defer { state.waiting = [] }
      return state.waiting
    }
    for continuation in waiting { continuation.resume(with: outcome) }
  }
}
