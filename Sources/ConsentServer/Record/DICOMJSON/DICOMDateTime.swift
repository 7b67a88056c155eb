import ConsentCore

/// The DICOM values DA, TM, DT and the offset of (0008,0201), PS3.5 section 6.2. Anything else is
/// `nil`: an unreadable date is an unknown one.
enum DICOMDateTime {
  /// `YYYYMMDD`. The form with dots of ACR-NEMA is no longer a DA and is not guessed at.
  static func day(_ text: String) -> LocalDay? {
    let digits = Array(text.utf8)
    guard digits.count == 8, let year = number(digits[0..<4]), let month = number(digits[4..<6]),
      let day = number(digits[6..<8])
    else { return nil }
    return LocalDay(year: year, month: month, day: day)
  }

  /// `HH`, `HHMM`, `HHMMSS` or `HHMMSS.F…`: microseconds since the start of the day. A leap second
  /// counts as the one before it.
  static func time(_ text: String) -> Int64? {
    let parts = text.utf8.split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false)
    guard parts.count <= 2, let clock = parts.first.map({ Array($0) }),
      [2, 4, 6].contains(clock.count), parts.count == 1 || clock.count == 6,
      let hour = number(clock[0..<2]), hour < 24
    else { return nil }
    let minute = clock.count >= 4 ? number(clock[2..<4]) : 0
    let second = clock.count == 6 ? number(clock[4..<6]) : 0
    guard let minute, let second, minute < 60, second <= 60 else { return nil }
    var fraction = 0
    if parts.count == 2 {
      let digits = Array(parts[1])
      guard (1...6).contains(digits.count), let value = number(digits[...]) else { return nil }
      fraction = value
      for _ in digits.count..<6 { fraction *= 10 }
    }
    let whole = Int64(hour) * 3_600 + Int64(minute) * 60 + Int64(min(second, 59))
    return whole * 1_000_000 + Int64(fraction)
  }

  /// `+HHMM` or `-HHMM`, -12 to +14 hours: microseconds east of UTC.
  static func offset(_ text: String) -> Int64? {
    let bytes = Array(text.utf8)
    guard bytes.count == 5, bytes[0] == UInt8(ascii: "+") || bytes[0] == UInt8(ascii: "-"),
      let hours = number(bytes[1..<3]), let minutes = number(bytes[3..<5]), minutes < 60
    else { return nil }
    let sign: Int64 = bytes[0] == UInt8(ascii: "-") ? -1 : 1
    let offset = sign * Int64(hours * 60 + minutes)
    guard (-12 * 60...14 * 60).contains(offset) else { return nil }
    return offset * .microsecondsPerMinute
  }

  /// A DT of at least a whole day, with its offset if it states one.
  static func dateTime(_ text: String) -> (day: LocalDay, time: Int64?, offset: Int64?)? {
    var rest = Substring(text)
    var offset: Int64?
    if let sign = rest.lastIndex(where: { $0 == "+" || $0 == "-" }) {
      guard let stated = self.offset(String(rest[sign...])) else { return nil }
      offset = stated
      rest = rest[..<sign]
    }
    guard rest.utf8.count >= 8, let day = day(String(rest.prefix(8))) else { return nil }
    let clock = rest.dropFirst(8)
    if clock.isEmpty { return (day, nil, offset) }
    guard let time = time(String(clock)) else { return nil }
    return (day, time, offset)
  }

  private static func number(_ digits: ArraySlice<UInt8>) -> Int? {
    var value = 0
    for digit in digits {
      guard (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(digit) else { return nil }
      value = value * 10 + Int(digit - UInt8(ascii: "0"))
    }
    return digits.isEmpty ? nil : value
  }
}

extension DICOMDataset {
  /// When the image was acquired: the acquisition's own date, else that of the content, the series
  /// or the study. With an offset from UTC it is an instant; without one it is known to the local
  /// day only, which is what "present" is judged by.
  func acquisition(_ calendar: LocalCalendar) -> (instant: Instant?, day: LocalDay?) {
    let common = text(.timezoneOffset).flatMap(DICOMDateTime.offset)
    func moment(_ day: LocalDay, _ time: Int64?, _ offset: Int64?) -> (Instant?, LocalDay?) {
      guard let time, let offset else { return (nil, day) }
      let instant = Instant(day: day).adding(microseconds: time - offset)
      return (instant, calendar.day(of: instant))
    }
    if let stated = text(.acquisitionDateTime).flatMap(DICOMDateTime.dateTime) {
      return moment(stated.day, stated.time, stated.offset ?? common)
    }
    let pairs: [(Tag, Tag)] = [
      (.acquisitionDate, .acquisitionTime), (.contentDate, .contentTime),
      (.seriesDate, .seriesTime), (.studyDate, .studyTime),
    ]
    for (date, time) in pairs {
      guard let day = text(date).flatMap(DICOMDateTime.day) else { continue }
      return moment(day, text(time).flatMap(DICOMDateTime.time), common)
    }
    return (nil, nil)
  }
}
