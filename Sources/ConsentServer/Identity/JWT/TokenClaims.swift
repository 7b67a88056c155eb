import JWTKit

/// The top-level claims of a token: texts, lists of texts and numbers, by name. Anything else, such
/// as nested objects, is of no use here and is left out.
struct TokenClaims: JWTPayload {
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

  /// Only because the protocol asks for it: nothing is signed here.
  func encode(to encoder: any Encoder) throws {
    throw EncodingError.invalidValue(
      self, .init(codingPath: [], debugDescription: "claims are read only"))
  }

  /// The signature alone is the library's to judge; what the claims say is `JWTVerifier`'s.
  func verify(using algorithm: some JWTAlgorithm) {}

  func text(_ name: String) -> String? { texts[name] }

  /// One text or a list of them.
  func list(_ name: String) -> [String] { lists[name] ?? texts[name].map { [$0] } ?? [] }

  /// A NumericDate (RFC 7519 §2) as microseconds since 1970; `nil` when absent, of another type or
  /// beyond what a date can be.
  func instant(_ name: String) -> Int64? {
    guard let seconds = numbers[name], seconds.magnitude < 1e11 else { return nil }
    return Int64(seconds * 1_000_000)
  }

  func has(_ name: String) -> Bool {
    texts[name] != nil || numbers[name] != nil || lists[name] != nil
  }

  /// `scope` as one text with spaces (RFC 8693 §4.2) or a list; some issuers call it `scp`.
  var scopes: Set<String> {
    let values = has("scope") ? list("scope") : list("scp")
    return Set(values.flatMap { $0.split(separator: " ").map(String.init) })
  }
}
