internal import CLibpq
internal import Synchronization

/// The instant by which a read must have ended. When it passes, the statement is cancelled.
///
/// INVARIANT: only a READ ONLY transaction has one. Cancelling a write would leave its outcome open.
final class ReadDeadline {
  private var instant: ContinuousClock.Instant
  private(set) var wasCancelled = false
  private let stop: ReadStop?
  private let delivered = Semaphore()
  private var isDelivered = false

  /// How long the server may take to react before its connection is given up.
  private static let grace = Duration.seconds(2)

  /// - Parameter stop: ends the read before its instant.
  init(_ instant: ContinuousClock.Instant, stop: ReadStop? = nil) {
    self.instant = instant
    self.stop = stop
  }

  var isOver: Bool {
    if !wasCancelled, let stop, stop.isSet { return true }
    return ContinuousClock.now >= instant
  }

  func remaining(_ limit: Duration) -> Duration {
    max(.zero, min(limit, instant - ContinuousClock.now))
  }

  /// Asks the server to stop. PQcancel makes a connection of its own and blocks, so it gets a thread
  /// of its own.
  @unsafe func cancel(_ request: OpaquePointer?) {
    wasCancelled = true
    instant = ContinuousClock.now + Self.grace
    guard let request = unsafe request else { return }
    let address = UInt(bitPattern: request)
    let delivered = delivered
    let started = NativeThread.start {
      guard let request = unsafe OpaquePointer(bitPattern: address) else { return }
      unsafe withUnsafeTemporaryAllocation(of: CChar.self, capacity: 256) { buffer in
        _ = unsafe PQcancel(request, buffer.baseAddress, 256)
      }
      unsafe PQfreeCancel(request)
      delivered.signal()
    }
    if !started { unsafe PQfreeCancel(request) }
  }

  func waitForCancellation() -> Bool {
    if !isDelivered { isDelivered = delivered.wait(timeout: Self.grace) }
    return isDelivered
  }
}

/// Tells the reads of a lane to end.
final class ReadStop: Sendable {
  private let flag = Atomic(false)

  /// How soon a waiting read notices.
  static let interval = Duration.milliseconds(100)

  var isSet: Bool { flag.load(ordering: .acquiring) }

  func set() { flag.store(true, ordering: .releasing) }
}
