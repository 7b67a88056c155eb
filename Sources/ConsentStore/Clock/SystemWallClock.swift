public import ConsentCore
internal import Foundation

/// The machine's clock.
///
/// Builds for tests take `CONSENTD_CLOCK_OFFSET_MS` into account, so that nodes on one machine can
/// have clocks that differ.
public struct SystemWallClock: WallClock {
  #if DEBUG
    private static let offset =
      ProcessInfo.processInfo.environment["CONSENTD_CLOCK_OFFSET_MS"].flatMap(Int32.init) ?? 0
  #else
    private static let offset: Int32 = 0
  #endif

  public init() {}

  public func now() -> Instant {
    let now = Instant(
      microseconds: Int64((Date().timeIntervalSince1970 * 1_000_000).rounded(.down)))
    return Self.offset == 0 ? now : now.adding(microseconds: Int64(Self.offset) * 1_000)
  }
}
