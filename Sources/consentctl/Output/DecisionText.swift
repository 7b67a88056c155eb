import ConsentProto
import Foundation
import SwiftProtobuf

extension Consent_V1_Decision {
  /// An answer as a clinician reads it: effect, why, on what it rests, what to do, until when.
  func text() -> String {
    let permitted = effect == .permit
    var lines = [
      (permitted ? Terminal.green("PERMIT") : Terminal.red("DENY")) + "  " + Words.upper(reason)
    ]
    for detail in reasons {
      var line = "  " + detail.sentence
      if !detail.paragraph.isEmpty { line += " (\(detail.paragraph))" }
      if !detail.elements.isEmpty {
        line += " Missing: " + detail.elements.map(Words.word).joined(separator: ", ") + "."
      }
      lines.append(line)
    }
    for record in records {
      let subject = record.hasGrantID ? "grant \(record.grantID)" : "record \(record.record.id)"
      lines.append("  \(Words.word(record.part)): \(subject) (\(Words.upper(record.reason)))")
    }
    for obligation in obligations {
      lines.append("  you must: " + Words.word(obligation.kind).replacing("-", with: " "))
    }
    if hasValidUntil { lines.append("  valid until \(validUntil.iso8601)") }
    lines.append(
      "  decided \(decidedAt.iso8601) at position \(position.position), id \(decisionID)")
    return lines.joined(separator: "\n")
  }
}

extension Google_Protobuf_Timestamp {
  /// RFC 3339, UTC, to the second.
  var iso8601: String {
    Date(timeIntervalSince1970: Double(seconds)).formatted(.iso8601)
  }
}
