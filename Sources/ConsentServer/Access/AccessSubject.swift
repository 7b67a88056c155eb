import ConsentCore
import Foundation

/// What an access asked for besides patients, as it is logged: `image=dicom:1.2.3 use=EDUCATION`.
///
/// INVARIANT: no name and no identifier of a patient is in it. Patients are logged by their ids; how
/// one was searched for is told without what was searched.
struct AccessSubject: ExpressibleByDictionaryLiteral, Sendable {
  /// Bytes of UTF-8 at most: filters are the caller's to choose.
  static let longest = 512

  private(set) var text: String?

  /// Fields in order; those without value are left out.
  init(dictionaryLiteral fields: (StaticString, String?)...) {
    for case (let name, let value?) in fields where !value.isEmpty { add(name, value) }
  }

  private mutating func add(_ name: StaticString, _ value: String) {
    let field = "\(name)=" + String(value.map { $0.isBlankOrControl ? "_" : $0 })
    let whole = text.map { $0 + " " + field } ?? field
    guard whole.utf8.count > Self.longest else {
      text = whole
      return
    }
    var cut = whole.prefix(Self.longest)
    while cut.utf8.count > Self.longest - 3 { cut.removeLast() }
    text = cut + "…"
  }

  /// A half-open span; `nil` without an end.
  static func period(_ from: Instant?, _ until: Instant?) -> String? {
    guard from != nil || until != nil else { return nil }
    return (from.map(text) ?? "") + "/" + (until.map(text) ?? "")
  }

  /// RFC 3339, to the second.
  static func text(_ instant: Instant) -> String {
    Date(timeIntervalSince1970: Double(instant.stamp.seconds)).formatted(.iso8601)
  }
}

extension Sequence {
  /// The values of a filter in one field.
  func subject(_ text: (Element) -> String) -> String {
    map(text).sorted().joined(separator: ",")
  }
}

extension Character {
  fileprivate var isBlankOrControl: Bool {
    isWhitespace || unicodeScalars.contains { $0.properties.generalCategory == .control }
  }
}
