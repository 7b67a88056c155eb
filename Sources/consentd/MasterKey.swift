import ConsentServer
import Foundation

/// The key that wraps the organizations' data keys: 32 random bytes, 64 hexadecimal digits, one
/// line. Lines after the first are older keys, which open what they once wrapped.
struct MasterKey {
  var keys: [[UInt8]]

  init(contentsOf path: String) throws(StartFailure) {
    let text = try PrivateFile.read(path, what: "the master key")
    keys = []
    for line in text.split(whereSeparator: \.isNewline) {
      guard let key = Hexadecimal.bytes(String(line)), key.count == 32 else {
        throw StartFailure(
          .configuration, "\(path) is no master key: each line has 64 hexadecimal digits")
      }
      keys.append(key)
    }
    guard !keys.isEmpty else {
      throw StartFailure(.configuration, "\(path) is empty; make one with `consentd init`")
    }
  }

  private init(_ keys: [[UInt8]]) { self.keys = keys }

  /// A new key, kept nowhere yet.
  static func random() -> MasterKey {
    MasterKey([(0..<32).map { _ in UInt8.random(in: .min ... .max) }])
  }

  func write(to path: String) throws(StartFailure) {
    try PrivateFile.create(path, keys.map(Hexadecimal.text).joined(separator: "\n") + "\n")
  }
}

enum Hexadecimal {
  static func text(_ bytes: [UInt8]) -> String {
    bytes.map { byte in
      let digits = String(byte, radix: 16)
      return digits.count == 1 ? "0" + digits : digits
    }.joined()
  }

  /// `nil` for anything else than pairs of digits.
  static func bytes(_ text: String) -> [UInt8]? {
    let digits = text.utf8.map { Character(Unicode.Scalar($0)).hexDigitValue }
    guard digits.count.isMultiple(of: 2) else { return nil }
    var bytes: [UInt8] = []
    for index in stride(from: 0, to: digits.count, by: 2) {
      guard let high = digits[index], let low = digits[index + 1] else { return nil }
      bytes.append(UInt8(high << 4 | low))
    }
    return bytes
  }
}
