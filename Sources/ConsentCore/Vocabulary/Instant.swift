/// An instant as microseconds since 1970-01-01T00:00:00Z (may be negative).
///
/// The resolution is PostgreSQL's `timestamptz`, so that no instant changes when it is stored.
public struct Instant: Hashable, Comparable, Sendable, Codable {
  public var microseconds: Int64

  @inlinable public init(microseconds: Int64) { self.microseconds = microseconds }

  public static let distantPast = Instant(microseconds: .min)
  public static let distantFuture = Instant(microseconds: .max)

  @inlinable public static func < (a: Instant, b: Instant) -> Bool {
    a.microseconds < b.microseconds
  }

  /// The instant `microseconds` later, held at the ends of the range instead of overflowing.
  public func adding(microseconds delta: Int64) -> Instant {
    let (sum, overflow) = microseconds.addingReportingOverflow(delta)
    if overflow { return delta < 0 ? .distantPast : .distantFuture }
    return Instant(microseconds: sum)
  }

  public init(from decoder: any Decoder) throws {
    microseconds = try decoder.singleValueContainer().decode(Int64.self)
  }

  public func encode(to encoder: any Encoder) throws {
    var container = encoder.singleValueContainer()
    try container.encode(microseconds)
  }
}

extension Int64 {
  /// Microseconds in a minute, an hour and a day.
  public static let microsecondsPerMinute: Int64 = 60_000_000
  public static let microsecondsPerHour: Int64 = 3_600_000_000
  public static let microsecondsPerDay: Int64 = 86_400_000_000
}
