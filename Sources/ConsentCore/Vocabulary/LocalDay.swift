/// A calendar day of the organization, as days since 1970-01-01 (proleptic Gregorian).
///
/// Papers carry days, not instants: two papers are compared by day unless both state an instant.
public struct LocalDay: Hashable, Comparable, Sendable, Codable {
  public var daysSince1970: Int32

  public init(daysSince1970: Int32) { self.daysSince1970 = daysSince1970 }

  /// - Returns: `nil` unless the day exists in the Gregorian calendar, year 1 to 9999.
  public init?(year: Int, month: Int, day: Int) {
    guard (1...9999).contains(year), (1...12).contains(month), day >= 1,
      day <= LocalDay.length(ofMonth: month, year: year)
    else { return nil }
    // Days from civil date, counted in 400-year eras that begin on 1 March.
    let shiftedYear = month <= 2 ? year - 1 : year
    let era = (shiftedYear >= 0 ? shiftedYear : shiftedYear - 399) / 400
    let yearOfEra = shiftedYear - era * 400
    let dayOfYear = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1
    let dayOfEra = yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear
    daysSince1970 = Int32(era * 146_097 + dayOfEra - 719_468)
  }

  public var civil: (year: Int, month: Int, day: Int) {
    let shifted = Int(daysSince1970) + 719_468
    let era = (shifted >= 0 ? shifted : shifted - 146_096) / 146_097
    let dayOfEra = shifted - era * 146_097
    let yearOfEra = (dayOfEra - dayOfEra / 1_460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
    let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
    let monthFromMarch = (5 * dayOfYear + 2) / 153
    let day = dayOfYear - (153 * monthFromMarch + 2) / 5 + 1
    let month = monthFromMarch < 10 ? monthFromMarch + 3 : monthFromMarch - 9
    return (yearOfEra + era * 400 + (month <= 2 ? 1 : 0), month, day)
  }

  public static func isLeap(year: Int) -> Bool {
    year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
  }

  public static func length(ofMonth month: Int, year: Int) -> Int {
    switch month {
    case 4, 6, 9, 11: 30
    case 2: isLeap(year: year) ? 29 : 28
    default: 31
    }
  }

  /// The day `years` after this one; 29 February falls on 1 March of a common year, or on
  /// 28 February when the organization's policy says so. `nil` past year 9999.
  public func adding(years: Int, leapDayOnFebruary28: Bool = false) -> LocalDay? {
    let (year, month, day) = civil
    let target = year + years
    if month == 2, day == 29, !LocalDay.isLeap(year: target) {
      return leapDayOnFebruary28
        ? LocalDay(year: target, month: 2, day: 28) : LocalDay(year: target, month: 3, day: 1)
    }
    return LocalDay(year: target, month: month, day: day)
  }

  public static func < (a: LocalDay, b: LocalDay) -> Bool { a.daysSince1970 < b.daysSince1970 }

  public init(from decoder: any Decoder) throws {
    daysSince1970 = try decoder.singleValueContainer().decode(Int32.self)
  }

  public func encode(to encoder: any Encoder) throws {
    var container = encoder.singleValueContainer()
    try container.encode(daysSince1970)
  }
}

extension LocalDay: CustomStringConvertible {
  /// ISO 8601, `YYYY-MM-DD`.
  public var description: String {
    let (year, month, day) = civil
    func padded(_ value: Int, _ width: Int) -> String {
      let digits = String(value)
      return String(repeating: "0", count: max(0, width - digits.count)) + digits
    }
    return padded(year, 4) + "-" + padded(month, 2) + "-" + padded(day, 2)
  }
}
