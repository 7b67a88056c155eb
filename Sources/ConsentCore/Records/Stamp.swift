/// When and where the service recorded a fact: its own clock, and the feed position that the
/// fact's change received under the organization's lock.
///
/// INVARIANT: every record carries one, and nothing recorded is edited, so "what was known at
/// position p" is the records whose position is at most p.
public struct Stamp: Hashable, Sendable, Codable {
  public var position: UInt64
  /// `known`: max(clock, known of the last change), so positions order instants.
  public var recorded: Instant
  /// The caller (user or system) that recorded it; an opaque name, no patient data.
  public var by: String

  public init(position: UInt64, recorded: Instant, by: String) {
    self.position = position
    self.recorded = recorded
    self.by = by
  }

  /// Given before the position is known; the store replaces it under the organization's lock.
  public static let unstamped = Stamp(position: 0, recorded: .distantPast, by: "")
}

/// The paper's legal time: always a local day, and an instant if the paper states one.
public struct SignedTime: Hashable, Sendable, Codable {
  public var day: LocalDay
  public var instant: Instant?

  public init(day: LocalDay, instant: Instant? = nil) {
    self.day = day
    self.instant = instant
  }

  /// Two papers are compared by instant if both have one, else by local day; the same day is
  /// equal.
  public func isLater(than other: SignedTime) -> Bool {
    if let mine = instant, let theirs = other.instant { return mine > theirs }
    return day > other.day
  }
}
