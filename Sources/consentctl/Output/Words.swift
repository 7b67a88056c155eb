import SwiftProtobuf

/// The words of a closed vocabulary as people type them: `ownWorkforce` is `own-workforce`.
enum Words {
  static func word<Value: Enum & CaseIterable>(_ value: Value) -> String {
    var word = ""
    for character in String(describing: value) {
      if character.isUppercase, !word.isEmpty { word += "-" }
      word += character.lowercased()
    }
    return word
  }

  /// Every word, without the unspecified one.
  static func all<Value: Enum & CaseIterable>(_: Value.Type) -> [String] {
    Value.allCases.filter { $0.rawValue != 0 }.map(word)
  }

  /// - Throws: names the words there are.
  static func value<Value: Enum & CaseIterable>(
    _ text: String, as type: Value.Type = Value.self, field: String
  ) throws -> Value {
    let wanted = text.lowercased().replacing("_", with: "-")
    guard let value = Value.allCases.first(where: { $0.rawValue != 0 && word($0) == wanted }) else {
      throw CommandFailure.data(
        "\(field): \(text) is not one of \(all(type).joined(separator: ", "))")
    }
    return value
  }

  /// `AUTH_VALID` for a reason whose case is `authValid`: the name the log and the proto use.
  static func upper<Value: Enum & CaseIterable>(_ value: Value) -> String {
    word(value).uppercased().replacing("-", with: "_")
  }
}
