import ConsentCore
import ConsentStore
import Foundation
import Synchronization

/// A clock that tests set while the service runs: a file with one ISO 8601 instant in UTC, such as
/// `2026-09-30T05:00:00.000001Z`, read again at every look. To move it, write another file beside
/// it and rename; a file that cannot be read leaves the clock where it was.
///
/// It serves embedded databases only: with it, answers are of a time that is not.
final class TestClock: WallClock {
  private let path: String
  private let last: Mutex<Instant>

  init(path: String) throws(StartFailure) {
    guard let instant = TestClock.read(path) else {
      throw StartFailure(
        .configuration, "\(path) holds no instant such as 2026-01-05T12:00:00Z")
    }
    self.path = path
    last = Mutex(instant)
  }

  func now() -> Instant {
    let read = TestClock.read(path)
    return last.withLock { last in
      if let read { last = read }
      return last
    }
  }

  /// Tells of every move, until the task is cancelled.
  func follow(_ moved: @Sendable () -> Void) async {
    var before = now()
    while !Task.isCancelled {
      let instant = now()
      if instant != before { moved() }
      before = instant
      try? await Task.sleep(for: .milliseconds(20))
    }
  }

  private static func read(_ path: String) -> Instant? {
    guard let data = FileManager.default.contents(atPath: path),
      let text = String(data: data, encoding: .utf8)
    else { return nil }
    return Instant(iso8601: text.trimmingCharacters(in: .whitespacesAndNewlines))
  }
}

extension Instant {
  /// `YYYY-MM-DDThh:mm:ss[.ffffff]Z`; Foundation's parser would round the fraction.
  init?(iso8601 text: String) {
    guard let match = text.wholeMatch(of: Instant.pattern), let year = Int(match.1),
      let month = Int(match.2), let dayOfMonth = Int(match.3), let hour = Int64(match.4),
      let minute = Int64(match.5), let second = Int64(match.6), hour < 24, minute < 60,
      second < 60, let day = LocalDay(year: year, month: month, day: dayOfMonth)
    else { return nil }
    let digits = (match.7.map { String($0.dropFirst()) } ?? "") + "000000"
    guard let fraction = Int64(digits.prefix(6)) else { return nil }
    let seconds = Int64(day.daysSince1970) * 86_400 + hour * 3_600 + minute * 60 + second
    self.init(microseconds: seconds * 1_000_000 + fraction)
  }

  private static var pattern:
    Regex<(Substring, Substring, Substring, Substring, Substring, Substring, Substring, Substring?)>
  { /(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)(\.\d{1,9})?Z/ }
}
