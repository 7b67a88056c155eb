import Foundation
import Logging

/// One line of standard error for each event: time, level, what happened, and its fields.
struct StderrLog: LogHandler {
  var label: String
  var metadata: Logger.Metadata = [:]
  var logLevel: Logger.Level

  subscript(metadataKey key: String) -> Logger.Metadata.Value? {
    get { metadata[key] }
    set { metadata[key] = newValue }
  }

  func log(event: LogEvent) {
    var line = Date().formatted(Date.ISO8601FormatStyle(includingFractionalSeconds: true))
    line += " \(event.level.rawValue) \(label) \(StderrLog.quoted(event.message.description))"
    let fields = metadata.merging(event.metadata ?? [:]) { _, own in own }
    for (key, value) in fields.sorted(by: { $0.key < $1.key }) {
      line += " \(key)=\(StderrLog.quoted(value.description))"
    }
    // A closed pipe or a full disk must not end the program.
    try? FileHandle.standardError.write(contentsOf: Data((line + "\n").utf8))
  }

  /// Text that cannot break the line or be taken for another field.
  static func quoted(_ text: String) -> String {
    let isPlain = text.unicodeScalars.allSatisfy {
      $0.isASCII && $0.value > 0x20 && $0 != "\"" && $0 != "="
    }
    if isPlain, !text.isEmpty { return text }
    var quoted = "\""
    for scalar in text.unicodeScalars {
      switch scalar {
      case "\"", "\\": quoted += "\\\(scalar)"
      case _ where scalar.value < 0x20 || scalar.value == 0x7F: quoted += " "
      default: quoted.unicodeScalars.append(scalar)
      }
    }
    return quoted + "\""
  }
}
