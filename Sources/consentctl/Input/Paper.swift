import ConsentProto
import Foundation
import Yams

/// A paper as a YAML or JSON file, in the words of the form.
struct Paper: Codable {
  struct Identifier: Codable {
    var system: String
    var value: String
  }

  struct Second: Codable {
    var birthDate: String?
    var identifier: Identifier?
  }

  struct Statements: Codable {
    var rightToRevoke: Bool?
    var conditioning: Bool?
    var redisclosure: Bool?
  }

  struct Form: Codable {
    var id: String
    var version: String
  }

  struct Signer: Codable {
    var capacity: String
    var authority: String?
    var representative: Identifier?
    var verifiedBy: String?
  }

  struct Party: Codable {
    var kind: String
    var system: String?
    var value: String?
    var name: String?
    var address: String?
  }

  struct Scope: Codable {
    var image: String?
    var series: String?
    var study: String?
  }

  struct Grant: Codable {
    var effect: String?
    var scope: Scope?
    var presentOnly: Bool?
    var uses: [String]?
    var audiences: [String]?
    var recipients: [Party]?
    var disclosers: [Party]?
    var channels: [String]?
    var from: String?
    /// `2026-12-31`, `majority`, `none`, or `event:<id>`.
    var until: String?
  }

  /// An id, or `system|value`.
  var patient: String
  var second: Second?
  var kind: String
  var form: Form?
  var statements: Statements?
  var signer: Signer?
  var signed: String?
  var received: String?
  var signaturePresent: Bool?
  var information: String?
  var grants: [Grant]

  /// Reads a file; keys are written with underscores, as in `right_to_revoke`.
  ///
  /// - Throws: names the key that is missing, misspelt or of another type.
  static func read(_ path: String) throws -> Paper {
    guard let text = try? String(contentsOfFile: path, encoding: .utf8) else {
      throw CommandFailure.data("cannot read \(path)")
    }
    do {
      guard let tree = try Yams.load(yaml: text) as? [String: Any] else {
        throw CommandFailure.data("\(path): is not a paper; see consentctl record --help")
      }
      let data = try JSONSerialization.data(withJSONObject: Paper.dated(tree))
      let decoder = JSONDecoder()
      decoder.keyDecodingStrategy = .convertFromSnakeCase
      let paper = try decoder.decode(Paper.self, from: data)
      try Paper.refuseUnknownKeys(of: tree, reading: paper, path: path)
      return paper
    } catch let error as DecodingError {
      throw CommandFailure.data("\(path): \(Paper.explain(error))")
    } catch let error as YamlError {
      throw CommandFailure.data("\(path): \(error)")
    }
  }

  /// YAML reads 2026-03-01 as a date; the paper means the day as written.
  private static func dated(_ value: Any) -> Any {
    switch value {
    case let date as Date:
      let text = date.formatted(.iso8601)
      return text.hasSuffix("T00:00:00Z") ? String(text.prefix(10)) : text
    case let map as [String: Any]: return map.mapValues(dated)
    case let list as [Any]: return list.map(dated)
    default: return value
    }
  }

  /// A misspelt key must not vanish: it may have been a restriction.
  private static func refuseUnknownKeys(
    of tree: [String: Any], reading paper: Paper, path: String
  ) throws {
    let known: [String: Set<String>] = [
      "": [
        "patient", "second", "kind", "form", "statements", "signer", "signed", "received",
        "signature_present", "information", "grants",
      ],
      "second": ["birth_date", "identifier"], "identifier": ["system", "value"],
      "representative": ["system", "value"],
      "statements": ["right_to_revoke", "conditioning", "redisclosure"],
      "form": ["id", "version"],
      "signer": ["capacity", "authority", "representative", "verified_by"],
      "grants": [
        "effect", "scope", "present_only", "uses", "audiences", "recipients", "disclosers",
        "channels", "from", "until",
      ],
      "scope": ["image", "series", "study"],
      "recipients": ["kind", "system", "value", "name", "address"],
      "disclosers": ["kind", "system", "value", "name", "address"],
    ]
    func visit(_ value: Any, _ name: String, _ place: String) throws {
      if let list = value as? [Any] {
        for (index, item) in list.enumerated() { try visit(item, name, "\(place)[\(index)]") }
      }
      guard let map = value as? [String: Any], let allowed = known[name] else { return }
      for (key, value) in map {
        let place = place.isEmpty ? key : place + "." + key
        guard allowed.contains(key) else {
          let names = allowed.sorted().joined(separator: ", ")
          throw CommandFailure.data("\(path): \(place) is not a key here; there are \(names)")
        }
        try visit(value, key, place)
      }
    }
    try visit(tree, "", "")
  }

  private static func explain(_ error: DecodingError) -> String {
    func place(_ path: [any CodingKey]) -> String {
      path.map { $0.intValue.map { "[\($0)]" } ?? $0.stringValue }.joined(separator: ".")
    }
    return switch error {
    case .keyNotFound(let key, let context):
      "\(place(context.codingPath + [key])) is missing"
    case .typeMismatch(_, let context), .valueNotFound(_, let context):
      "\(place(context.codingPath)) is of the wrong type"
    case .dataCorrupted(let context): "\(place(context.codingPath)) cannot be read"
    @unknown default: "cannot be read"
    }
  }
}
