import Logging
import ProofLog

/// The keys that sign the roots of decision logs. The file's first line signs; the lines after it
/// are older keys, so that what they signed can be told apart from what nobody here signed.
enum LogKey {
  static func read(_ path: String) throws(StartFailure) -> LogSigner {
    let text = try PrivateFile.read(path, what: "the log key")
    do {
      return try LogSigner(keyFile: text)
    } catch {
      switch error {
      case .noKey:
        throw StartFailure(
          .configuration, "\(path) holds no key; make one with `consentd init --log-key-file`")
      case .notAKey(let line):
        throw StartFailure(
          .configuration,
          "\(path), line \(line), is no private log key; restore it or make another with "
            + "`consentd init --log-key-file`")
      }
    }
  }

  /// Makes a key file and returns the verifier key, which auditors keep.
  static func create(_ path: String, name: String) throws(StartFailure) -> VerifierKey {
    guard let line = LogSigner.newKey(name: name) else {
      throw StartFailure(.usage, "a log key's name has no spaces and no plus signs")
    }
    try PrivateFile.create(path, line + "\n")
    return try read(path).verifierKey
  }

  static let defaultName = "consentd"

  /// The key at `path`, made if it is missing: an embedded database brings its own.
  static func embedded(_ path: String, _ logger: Logger) throws(StartFailure) -> LogSigner {
    if !PrivateFile.exists(path) {
      let key = try create(path, name: defaultName)
      logger.notice("made a log key", metadata: ["file": "\(path)", "verifier": "\(key.text)"])
    }
    return try read(path)
  }
}
