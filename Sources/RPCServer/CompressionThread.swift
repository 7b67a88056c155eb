internal import Glibc
import NIOPosix
import RPCWire
import Synchronization

/// Inflates request messages and deflates long answers away from the event loops, in the call's task
/// and so after the interceptor: a few kilobytes can take milliseconds and megabytes to inflate, a
/// megabyte milliseconds to deflate, and neither may be had by a caller who is not admitted or at the
/// cost of the other connections of a loop.
///
/// What a request message claims to become is known before any of it is made. Small results come at once.
/// Larger ones are counted from their claim until their handlers are done, and are made one at a time
/// on a thread of their own that gives way to every other: were it their equal, an event loop that
/// wakes up would wait for the end of its slice.
final class CompressionThread: Sendable {
  /// Bytes of a result that is made at once and not counted.
  private static let small = 65_536
  /// The same for methods that answer on the loop, which take small messages.
  static let smallOnLoop = 4_096
  /// Niceness of the thread: a tenth of a core that is contended, all of one that is not.
  private static let niceness: CInt = 10

  /// Memory for one result, made and given back by the call that waits for it. The inflating thread
  /// must do neither: where it gives way in the middle of it, it holds the process's memory map, and
  /// an event loop that needs memory waits for its turn.
  ///
  /// INVARIANT: touched by the thread while the call waits for it, and by the call before and after.
  private final class Space: @unchecked Sendable {
    var bytes: [UInt8] = []
    init(_ size: Int) { bytes.reserveCapacity(size) }
  }

  private let budget: Int
  private let held = Atomic<Int>(0)
  private let thread = NIOThreadPool(numberOfThreads: 1)

  /// - Parameter budget: bytes of large results that may be held at a time; the last one may pass it.
  init(budget: Int) { self.budget = budget }

  func start() {
    thread.start()
    thread.submit { _ in
      // Of this thread alone: Linux gives each its own niceness.
      setpriority(__priority_which_t(PRIO_PROCESS.rawValue), 0, Self.niceness)
    }
  }

  func stop() async { try? await thread.shutdownGracefully() }

  /// - Returns: the result, and how many bytes of it are counted until `release`.
  /// - Throws: `WireFault` for damaged or oversized data, `RPCError` above the budget,
  ///   `CancellationError`.
  func inflate(
    _ bytes: [UInt8], by compression: Compression, limit: Int
  ) async throws -> (bytes: [UInt8], counted: Int) {
    let size = try compression.claimedSize(of: bytes, limit: limit)
    guard size > Self.small else {
      return (try compression.inflate(bytes, limit: limit), 0)
    }
    guard held.wrappingAdd(size, ordering: .relaxed).oldValue < budget else {
      release(size)
      throw StandardErrors.inflatingTooMuch
    }
    let space = Space(size)
    do {
      try await thread.runIfActive {
        try compression.inflate(bytes, claiming: size, onto: &space.bytes)
      }
      return (space.bytes, size)
    } catch {
      release(size)
      throw error
    }
  }

  /// A response message with its compressed form, if the call takes one.
  func written(_ bytes: [UInt8], for call: ServerCall) async -> EncodedMessage {
    guard call.replyCompression != nil, bytes.count > Self.small else {
      return EncodedMessage(bytes, for: call)
    }
    do {
      return try await thread.runIfActive { EncodedMessage(bytes, for: call) }
    } catch {
      // The caller has left or the server has ended.
      return EncodedMessage(ofEndedCall: bytes)
    }
  }

  func release(_ count: Int) {
    if count > 0 { held.wrappingSubtract(count, ordering: .relaxed) }
  }
}
