import ArgumentParser
import ConsentStore
import Foundation
import ProofLog

struct VerifyLogCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "log",
    abstract: "Checks an exported file: every record, its place, and the signed roots.",
    discussion: """
      Example:
        consentctl verify log logs.consentlog --key-file keys.txt --checkpoint kept-elsewhere.txt
      """)

  @Argument(help: "The file, as `consentctl log export` wrote it.") var file: String
  @OptionGroup var trust: TrustOptions
  @Option(
    help: ArgumentHelp(
      "Checkpoints kept elsewhere, signed by a given key; may be repeated.", valueName: "file"))
  var checkpoint: [String] = []
  @Flag(
    help: """
      The file is of one log, or of some: logs that an activity log in it names may be missing.
      """)
  var part = false
  @Flag(help: "Print JSON instead of text.") var json = false

  func run() async throws {
    try await verifying(json: json) {
      let keys = try checkpoint.isEmpty ? trust.keys() : trust.requiredKeys()
      let checkpoints = try checkpoint.flatMap { try CheckpointFile.read($0, keys: keys) }
      let reader = try PieceReader(file)
      let logs: [LogVerifier.Log]
      do {
        logs = try LogVerifier(keys: keys, checkpoints: checkpoints, isOfPart: part)
          .verify(reader.next) { done, _ in ByteProgress.show("verified", done, of: reader.size) }
      } catch let fault as LogVerifier.Fault {
        throw Refuted(Self.words(fault))
      }
      ByteProgress.end()
      let leaves = logs.map(\.size).reduce(0, +)
      var text = "verified: \(logs.count) logs, \(leaves) records"
      for log in logs where log.signedSize < log.size {
        text +=
          "\n\(log.origin): its last \(log.size - log.signedSize) records are under no "
          + "signature in the file; receipts and checkpoints cover them"
      }
      for log in logs {
        guard let closer = log.closedBy else { continue }
        text += "\n\(log.origin): closed by another node, with key \(closer); "
        text +=
          log.ownSignedSize == log.size
          ? "its own node had signed all of it"
          : "of its last \(log.size - log.ownSignedSize) records, which its own node had not "
            + "signed, this says that they stood so when it was closed"
      }
      if keys.isEmpty { text += "\nno key was given: consistent in itself, by whoever wrote it" }
      if checkpoints.isEmpty {
        text +=
          "\nno checkpoint from elsewhere was given: a rollback or fork by whoever holds the "
          + "key would not show"
      }
      let list = logs.map { log in
        "{\"origin\":\(quoted(log.origin)),\"size\":\(log.size),\"signed_size\":\(log.signedSize),"
          + "\"own_signed_size\":\(log.ownSignedSize),"
          + "\"closed_by\":\(log.closedBy.map(quoted) ?? "null")}"
      }
      return (
        text,
        [
          ("logs", "[\(list.joined(separator: ","))]"), ("records", "\(leaves)"),
          ("keys_given", "\(!keys.isEmpty)"), ("checkpoints", "\(checkpoints.count)"),
        ]
      )
    }
  }

  private static func words(_ fault: LogVerifier.Fault) -> String {
    var place = "at byte \(fault.offset)"
    if let decision = fault.decision {
      place = "log \(decision.log), leaf \(decision.leaf)"
      if let end = fault.end, end > decision.leaf + 1 { place += " to \(end - 1)" }
      place += ", decision \(decision.text), at byte \(fault.offset)"
    } else if let origin = fault.origin {
      place = "\(origin), at byte \(fault.offset)"
    }
    return "\(reason(fault.kind)): \(place)"
  }

  private static func reason(_ kind: LogVerifier.Fault.Kind) -> String {
    switch kind {
    case .malformed: "not an export, or spliced"
    case .truncated: "cut off"
    case .changed: "a record was changed"
    case .misplaced: "a record that does not belong there"
    case .missing: "records are missing"
    case .root: "records do not give the root that was stored with them"
    case .signature: "the signature does not hold"
    case .reopened: "records follow the end of a log that was closed"
    case .unknownKey: "signed with a key that was not given"
    case .rolledBack: "shorter than a checkpoint kept elsewhere"
    case .forked: "another history than a checkpoint kept elsewhere"
    case .dropped: "a log that an activity log names is not in the file"
    case .cut: "shorter than an activity log says that it was"
    case .replaced: "another history than an activity log tells of"
    }
  }
}
