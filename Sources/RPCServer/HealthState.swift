import Synchronization

/// The health of the server and its services, as told to `grpc.health.v1` and `/healthz`.
///
/// Set it from a cached probe; a health call never asks the database.
public final class HealthState: Sendable {
  public enum Status: UInt8, Sendable { case unknown, serving, notServing, serviceUnknown }

  private struct Board {
    var statuses: [String: Status]
    var watchers: [UInt64: (service: String, continuation: AsyncStream<Status>.Continuation)] = [:]
    var nextWatcher: UInt64 = 0
    var isShutDown = false
    var watchesEnded = false
  }

  private let board: Mutex<Board>

  /// - Parameter services: full names, besides `""` for the server as a whole.
  public init(services: [String] = [], status: Status = .serving) {
    var statuses = ["": status]
    for service in services { statuses[service] = status }
    board = Mutex(Board(statuses: statuses))
  }

  /// `serviceUnknown` for a name never set.
  public func status(of service: String = "") -> Status {
    board.withLock { $0.statuses[service] ?? .serviceUnknown }
  }

  /// Sets one service and tells its watchers; without effect after `shutDown`.
  public func set(_ status: Status, for service: String = "") {
    change { $0.statuses[service] = status }
  }

  /// Sets the server and every service named so far.
  public func setAll(_ status: Status) {
    change { board in
      for service in board.statuses.keys { board.statuses[service] = status }
    }
  }

  /// Everything is NOT_SERVING from now on: the first step of a drain.
  public func shutDown() {
    setAll(.notServing)
    board.withLock { $0.isShutDown = true }
  }

  /// Ends every watch; the last step before connections are told to go.
  func endWatches() {
    let watchers = board.withLock { board in
      defer { board.watchers = [:] }
      board.watchesEnded = true
      return board.watchers
    }
    for watcher in watchers.values { watcher.continuation.finish() }
  }

  private func change(_ body: (inout Board) -> Void) {
    board.withLock { board in
      guard !board.isShutDown else { return }
      let before = board.statuses
      body(&board)
      for watcher in board.watchers.values
      where before[watcher.service] != board.statuses[watcher.service] {
        watcher.continuation.yield(board.statuses[watcher.service] ?? .serviceUnknown)
      }
    }
  }

  /// The status now and after every change; only the latest is kept for a slow reader.
  func watch(_ service: String) -> AsyncStream<Status> {
    let (stream, continuation) = AsyncStream<Status>.makeStream(
      bufferingPolicy: .bufferingNewest(1))
    let number: UInt64? = board.withLock { board in
      guard !board.watchesEnded else { return nil }
      let number = board.nextWatcher
      board.nextWatcher += 1
      board.watchers[number] = (service, continuation)
      continuation.yield(board.statuses[service] ?? .serviceUnknown)
      return number
    }
    guard let number else {
      continuation.yield(status(of: service))
      continuation.finish()
      return stream
    }
    continuation.onTermination = { [weak self] _ in
      self?.board.withLock { $0.watchers[number] = nil }
    }
    return stream
  }
}
