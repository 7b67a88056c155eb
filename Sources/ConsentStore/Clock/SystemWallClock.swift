public import ConsentCore
internal import Foundation

/// The machine's clock.
public struct SystemWallClock: WallClock {
  public init() {}

  public func now() -> Instant {
    Instant(microseconds: Int64((Date().timeIntervalSince1970 * 1_000_000).rounded(.down)))
  }
}
