public import ConsentCore

import Foundation

/// The organization's calendar: where its local days begin.
///
/// Local instants are computed here when something is recorded and stored with
/// `dataVersion`; decisions only ever compare the stored instants.
public struct LocalCalendar: Sendable {
  private let calendar: Calendar
  /// Version of the time zone data in use.
  public var dataVersion: String { TimeZone.timeZoneDataVersion }

  /// `nil` unless `timeZone` is a known IANA name.
  public init?(timeZone: String) {
    guard let zone = TimeZone(identifier: timeZone) else { return nil }
    var calendar = Calendar(identifier: .gregorian)
    calendar.timeZone = zone
    self.calendar = calendar
  }

  /// The instant at which `day` begins. Where a clock change skips midnight, the first instant
  /// that exists.
  public func start(of day: LocalDay) -> Instant {
    let (year, month, number) = day.civil
    // Noon exists on every day in every zone; the start of that day is then unambiguous.
    let noon = calendar.date(
      from: DateComponents(year: year, month: month, day: number, hour: 12))
    guard let noon else { return Instant(day: day) }
    return Instant(calendar.startOfDay(for: noon))
  }

  public func day(of instant: Instant) -> LocalDay {
    let parts = calendar.dateComponents([.year, .month, .day], from: instant.date)
    return LocalDay(year: parts.year ?? 1970, month: parts.month ?? 1, day: parts.day ?? 1)
      ?? LocalDay(daysSince1970: 0)
  }

  /// A paper's "until `day`" ends at the next local midnight.
  public func end(of day: LocalDay) -> Instant {
    start(of: LocalDay(daysSince1970: day.daysSince1970 &+ 1))
  }
}

extension Instant {
  init(_ date: Date) {
    self.init(microseconds: Int64((date.timeIntervalSince1970 * 1_000_000).rounded()))
  }

  var date: Date { Date(timeIntervalSince1970: Double(microseconds) / 1_000_000) }

  /// UTC midnight.
  init(day: LocalDay) {
    self.init(microseconds: Int64(day.daysSince1970) * .microsecondsPerDay)
  }
}
