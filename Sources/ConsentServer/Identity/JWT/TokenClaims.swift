/// The top-level claims of a token: texts, lists of texts and numbers, by name. Anything else, such
/// as nested objects, is of no use here: of it only the name is kept.
struct TokenClaims: Decodable, Sendable {
  private let names: Set<String>
  private var texts: [String: String] = [:]
  private var lists: [String: [String]] = [:]
  private var numbers: [String: Double] = [:]

  private struct Name: CodingKey {
    var stringValue: String
    var intValue: Int? { nil }
    init?(stringValue: String) { self.stringValue = stringValue }
    init?(intValue: Int) { nil }
  }

  init(from decoder: any Decoder) throws {
    let fields = try decoder.container(keyedBy: Name.self)
    names = Set(fields.allKeys.map(\.stringValue))
    for key in fields.allKeys {
      if let text = try? fields.decode(String.self, forKey: key) {
        texts[key.stringValue] = text
      } else if let number = try? fields.decode(Double.self, forKey: key) {
        numbers[key.stringValue] = number
      } else if let list = try? fields.decode([String].self, forKey: key) {
        lists[key.stringValue] = list
      }
    }
  }

  func text(_ name: String) -> String? { texts[name] }

  /// One text or a list of them.
  func list(_ name: String) -> [String] { lists[name] ?? texts[name].map { [$0] } ?? [] }

  /// A NumericDate (RFC 7519 §2) as microseconds since 1970; `nil` when absent, of another type or
  /// beyond what a date can be.
  func instant(_ name: String) -> Int64? {
    guard let seconds = numbers[name], seconds.magnitude < 1e11 else { return nil }
    return Int64(seconds * 1_000_000)
  }

  /// Whether the claim is there, of whatever type.
  func has(_ name: String) -> Bool { names.contains(name) }

  /// `scope` as one text with spaces (RFC 8693 §4.2) or a list; some issuers call it `scp`.
  var scopes: Set<String> {
    let values = has("scope") ? list("scope") : list("scp")
    // By code points: a blank and a combining mark after it are one `Character`, which is no blank.
    return Set(values.flatMap { $0.unicodeScalars.split(separator: " ").map(String.init) })
  }
}
