import ConsentCore
import ConsentProto
import ConsentStore
import Foundation
import SwiftProtobuf

extension RequestReader {
  /// An instant in the years 1 to 9999; fractions of a microsecond are cut off.
  mutating func instant(
    _ value: Google_Protobuf_Timestamp?, _ field: StaticString, _ presence: Presence = .optional
  ) -> Instant? {
    guard let value else {
      if presence == .required { refuse(field, "is required") }
      return nil
    }
    // 0001-01-01T00:00:00Z to 9999-12-31T23:59:59Z, as google.protobuf.Timestamp states it.
    guard (-62_135_596_800...253_402_300_799).contains(value.seconds),
      (0..<1_000_000_000).contains(value.nanos)
    else {
      refuse(field, "is not an instant of the years 1 to 9999")
      return nil
    }
    return Instant(microseconds: value.seconds * 1_000_000 + Int64(value.nanos / 1_000))
  }

  mutating func localDay(
    _ value: Consent_V1_LocalDay?, _ field: StaticString, _ presence: Presence = .optional
  ) -> LocalDay? {
    guard let value else {
      if presence == .required { refuse(field, "is required") }
      return nil
    }
    let day = LocalDay(year: Int(value.year), month: Int(value.month), day: Int(value.day))
    if day == nil { refuse(field, "is not a day of the calendar, years 1 to 9999") }
    return day
  }

  /// The legal time of a paper; `nil` if no date is on it.
  mutating func signedTime(
    _ value: Consent_V1_SignedTime?, _ field: StaticString, _ presence: Presence = .optional,
    calendar: LocalCalendar
  ) -> SignedTime? {
    guard let time = value?.time else {
      if presence == .required { refuse(field, "is required: an instant or a local day") }
      return nil
    }
    return within(field) { reader in
      switch time {
      case .instant(let stamp):
        reader.instant(stamp, "instant").map { instant in
          SignedTime(day: calendar.day(of: instant), instant: instant)
        }
      case .localDay(let day):
        reader.localDay(day, "local_day").map { SignedTime(day: $0) }
      }
    }
  }

  /// A half-open span; an end before its beginning is refused.
  mutating func period(
    _ value: Consent_V1_Period?, _ field: StaticString
  ) -> (from: Instant?, until: Instant?) {
    guard let value else { return (nil, nil) }
    return within(field) { reader in
      let from = reader.instant(value.hasFrom ? value.from : nil, "from")
      let until = reader.instant(value.hasUntil ? value.until : nil, "until")
      if let from, let until, until < from { reader.refuse("until", "is before `from`") }
      return (from, until)
    }
  }

  /// A whole, not negative duration in microseconds, at most `limit` seconds.
  mutating func duration(
    _ value: Google_Protobuf_Duration?, _ field: StaticString, secondsAtMost limit: Int64
  ) -> Int64? {
    guard let value else { return nil }
    guard (0...limit).contains(value.seconds), (0..<1_000_000_000).contains(value.nanos),
      value.seconds < limit || value.nanos == 0
    else {
      refuse(field, "is not a duration of 0 to \(limit) seconds")
      return nil
    }
    return value.seconds * 1_000_000 + Int64(value.nanos / 1_000)
  }

  /// A place in the feed that the caller knows; `nil` if it names none.
  mutating func position(
    _ value: Consent_V1_FeedPosition?, _ field: StaticString
  ) -> KnownPosition? {
    guard let value else { return nil }
    guard value.chain.isEmpty || value.chain.count == 32 else {
      within(field) { $0.refuse("chain", "is not 32 bytes; give it back as it was answered") }
      return nil
    }
    guard value.position <= UInt64(Int64.max) else {
      within(field) { $0.refuse("position", "is not a position of any feed") }
      return nil
    }
    return KnownPosition(position: value.position, chain: Array(value.chain))
  }
}

/// A position as a caller states it.
struct KnownPosition: Hashable, Sendable {
  var position: UInt64
  /// 32 bytes, or empty: the history is not compared.
  var chain: [UInt8]
}

extension Instant {
  /// As google.protobuf.Timestamp states it.
  var stamp: (seconds: Int64, nanos: Int32) {
    let (seconds, rest) = microseconds.quotientAndRemainder(dividingBy: 1_000_000)
    // Before 1970 the remainder is negative; nanos never are.
    guard rest < 0 else { return (seconds, Int32(rest) * 1_000) }
    return (seconds - 1, Int32(rest + 1_000_000) * 1_000)
  }
}

extension Google_Protobuf_Timestamp {
  init(_ instant: Instant) {
    let (seconds, nanos) = instant.stamp
    self.init(seconds: seconds, nanos: nanos)
  }

  /// Absent for the ends of time, which stand for "always" and "never".
  init?(finite instant: Instant?) {
    guard let instant, instant != .distantPast, instant != .distantFuture else { return nil }
    self.init(instant)
  }
}

extension Consent_V1_LocalDay {
  init(_ day: LocalDay) {
    self.init()
    let (year, month, day) = day.civil
    self.year = Int32(clamping: year)
    self.month = Int32(clamping: month)
    self.day = Int32(clamping: day)
  }
}

extension Consent_V1_SignedTime {
  init(_ signed: SignedTime) {
    self.init()
    if let instant = signed.instant {
      self.instant = Google_Protobuf_Timestamp(instant)
    } else {
      localDay = Consent_V1_LocalDay(signed.day)
    }
  }
}

extension Consent_V1_FeedPosition {
  init(_ head: FeedHead) { self.init(position: head.position, chain: head.chain) }

  init(position: UInt64, chain: [UInt8]) {
    self.init()
    self.position = position
    self.chain = Data(chain)
  }
}
