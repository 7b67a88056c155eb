import Crypto
import Foundation
import SwiftProtobuf

/// Where a list goes on: opaque to callers, bound to the question it came from.
///
/// It is no secret and grants nothing: what it names is read under the caller's own rights.
struct PageToken<Place: Codable>: Codable {
  var place: Place
  /// First 8 bytes of the SHA-256 of the question without its page fields.
  var question: UInt64

  init(place: Place, question: UInt64) {
    self.place = place
    self.question = question
  }

  var text: String {
    let encoder = JSONEncoder()
    encoder.outputFormatting = .sortedKeys
    // Encoding a value of numbers and texts cannot fail; an empty token would begin anew.
    guard let data = try? encoder.encode(self) else { return "" }
    return data.base64EncodedString()
  }

  init?(text: String) {
    guard text.utf8.count <= 4_096, let data = Data(base64Encoded: text),
      let token = try? JSONDecoder().decode(Self.self, from: data)
    else { return nil }
    self = token
  }

  /// Tells one question from another; page fields are to be cleared before.
  static func question(_ request: some Message) -> UInt64 {
    var options = BinaryEncodingOptions()
    options.useDeterministicOrdering = true
    let bytes: [UInt8] = (try? request.serializedBytes(options: options)) ?? []
    return SHA256.hash(data: bytes).prefix(8).reduce(0) { $0 << 8 | UInt64($1) }
  }
}

extension RequestReader {
  /// The place of a page token; `nil` at the beginning.
  mutating func place<Place: Codable>(
    _ token: String, of question: UInt64, as place: Place.Type = Place.self
  ) -> Place? {
    guard !token.isEmpty else { return nil }
    guard let known = PageToken<Place>(text: token), known.question == question else {
      refuse("page_token", "is not of this question; begin without one")
      return nil
    }
    return known.place
  }

  /// 1 to `most`; 0 is the `usual` number.
  mutating func pageSize(_ value: UInt32, usual: Int = 100, most: Int = 1_000) -> Int {
    guard value <= most else {
      refuse("page_size", "is more than \(most)")
      return usual
    }
    return value == 0 ? usual : Int(value)
  }
}
