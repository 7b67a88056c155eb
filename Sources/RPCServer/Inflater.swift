import RPCWire
import Synchronization

/// Inflates request messages away from the event loops, in the call's task and so after the
/// interceptor: a few kilobytes can take milliseconds and megabytes to inflate, and neither may be
/// had by a caller who is not admitted or at the cost of the other connections of a loop.
///
/// Small results come at once. Larger ones are made one at a time, so that they never occupy more
/// than one thread, and their bytes are counted until their handlers are done.
final class Inflater: Sendable {
  /// Bytes of a result that is made at once and not counted.
  static let small = 65_536

  private let budget: Int
  private let held = Atomic<Int>(0)
  private let lane = Lane()

  /// - Parameter budget: bytes of large results that may be held at a time; the last one may pass it.
  init(budget: Int) { self.budget = budget }

  private actor Lane {
    func inflate(
      _ bytes: [UInt8], by compression: Compression, limit: Int, for inflater: Inflater
    ) throws -> [UInt8] {
      try Task.checkCancellation()
      guard inflater.held.load(ordering: .relaxed) < inflater.budget else {
        throw StandardErrors.inflatingTooMuch
      }
      let result = try compression.inflate(bytes, limit: limit)
      inflater.held.wrappingAdd(result.count, ordering: .relaxed)
      return result
    }
  }

  /// - Returns: the result, and how many bytes of it are counted until `release`.
  /// - Throws: `WireFault` for damaged or oversized data, `RPCError` above the budget,
  ///   `CancellationError`.
  func inflate(
    _ bytes: [UInt8], by compression: Compression, limit: Int
  ) async throws -> (bytes: [UInt8], counted: Int) {
    do throws(WireFault) {
      return (try compression.inflate(bytes, limit: min(limit, Self.small)), 0)
    } catch {
      guard error.code == .resourceExhausted, limit > Self.small else { throw error }
    }
    let result = try await lane.inflate(bytes, by: compression, limit: limit, for: self)
    return (result, result.count)
  }

  func release(_ count: Int) {
    if count > 0 { held.wrappingSubtract(count, ordering: .relaxed) }
  }
}
