public import ConsentCore

/// The service's own clock: an argument everywhere, so that tests can move it.
public protocol WallClock: Sendable {
  func now() -> Instant
}
