import ArgumentParser
import ConsentProto
import ConsentStore
import Foundation
import ProofLog

struct VerifyCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "verify",
    abstract: "Checks logs, receipts and checkpoints offline, without the service.",
    discussion: """
      Exit codes: 0 everything holds, 1 something does not, 64 usage.

      An export or receipt that holds shows that nothing was changed under its signature. That \
      whoever has the signing key and the database went back to an earlier state, or keeps two \
      histories, shows only against a checkpoint or receipt kept elsewhere: give it.
      """,
    subcommands: [
      VerifyLogCommand.self, VerifyReceiptCommand.self, VerifyConsistencyCommand.self,
    ])
}

/// Keys and checkpoints that come from elsewhere.
struct TrustOptions: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      "A verifier key whose signatures count, name+hash+key; may be repeated, older keys too.",
      valueName: "key"))
  var key: [String] = []

  @Option(
    help: ArgumentHelp(
      "A file of verifier keys, one a line; # begins a comment.", valueName: "file"))
  var keyFile: String?

  func keys() throws -> [VerifierKey] {
    var lines = key
    if let keyFile {
      lines += try TextFile.read(keyFile).split(whereSeparator: \.isNewline).map(String.init)
        .filter { !$0.hasPrefix("#") }
    }
    return try lines.map { line in
      guard let key = VerifierKey(text: line) else {
        throw CommandFailure.usage("\(line) is no verifier key, which is name+hash+key")
      }
      return key
    }
  }

  func requiredKeys() throws -> [VerifierKey] {
    let keys = try keys()
    guard !keys.isEmpty else {
      throw CommandFailure.usage("whose signatures count? Give --key or --key-file")
    }
    return keys
  }
}

/// A file of signed notes, one after the other, as `consentctl log checkpoint` prints them.
enum CheckpointFile {
  static func read(_ path: String, keys: [VerifierKey]) throws -> [Checkpoint] {
    try notes(try TextFile.read(path)).map { note in
      do {
        let signed = try SignedNote(parsing: note)
        _ = try signed.verify(keys)
        guard let checkpoint = Checkpoint(text: signed.text) else {
          throw SignedNote.Fault.malformed
        }
        return checkpoint
      } catch {
        throw Refuted("\(path): \(words(error))")
      }
    }
  }

  /// The checkpoint of a log, of a file that may hold those of others, as `log checkpoint` prints
  /// them; a file's only one is given back whatever log it is of.
  static func one(of log: String, _ path: String, keys: [VerifierKey]) throws -> Checkpoint {
    let all = try read(path, keys: keys)
    let own = all.count == 1 ? all : all.filter { $0.origin.hasSuffix("/" + log) }
    guard own.count == 1 else {
      throw CommandFailure.usage("\(path) holds \(own.count) checkpoints of log \(log)")
    }
    return own[0]
  }

  /// A note ends where, after its signatures, a line begins that is none.
  private static func notes(_ text: String) -> [String] {
    var notes: [String] = []
    var note = ""
    var isSigned = false
    for line in text.split(separator: "\n", omittingEmptySubsequences: false) {
      let isSignature = line.hasPrefix("\u{2014} ")
      if isSigned, !isSignature {
        notes.append(note)
        (note, isSigned) = ("", false)
        if line.isEmpty { continue }
      }
      isSigned = isSigned || isSignature
      note += line + "\n"
    }
    if isSigned { notes.append(note) }
    return notes.isEmpty ? [text] : notes
  }

  private static func words(_ error: any Error) -> String {
    switch error as? SignedNote.Fault {
    case .invalidSignature(let name)?: "the signature of \(name) is not valid"
    case .notSigned?: "no given key signed the checkpoint"
    case .malformed?, nil: "is no signed checkpoint"
    }
  }
}

/// Something does not hold: exit code 1.
struct Refuted: Error {
  var text: String
  init(_ text: String) { self.text = text }
}

/// Runs a verification: what holds is printed, what does not ends with exit code 1.
func verifying(json: Bool, _ work: () throws -> (text: String, fields: [(String, String)]))
  async throws
{
  try await reporting {
    do {
      let told = try work()
      let fields = told.fields.map { ",\(quoted($0.0)):\($0.1)" }.joined()
      print(json ? "{\"verified\":true\(fields)}" : told.text)
    } catch let refuted as Refuted {
      ByteProgress.end()
      if json {
        print("{\"verified\":false,\"fault\":\(quoted(refuted.text))}")
      } else {
        standardError("consentctl: NOT VERIFIED: \(refuted.text)\n")
      }
      throw ExitCode(1)
    }
  }
}

func quoted(_ text: String) -> String {
  let data = try? JSONEncoder().encode(text)
  return data.map { String(decoding: $0, as: UTF8.self) } ?? "\"\""
}
