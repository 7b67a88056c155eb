import ArgumentParser
import ConsentServer
import ConsentStore
import EmbeddedPostgres
import Foundation
import Postgres
import RPCServer

/// Why the program cannot start, in one line that says what to do, and the exit code of it.
struct StartFailure: Error {
  /// Codes of sysexits.h.
  enum Kind: Int32 {
    case usage = 64
    case unavailable = 69
    case `internal` = 70
    case configuration = 78
  }

  var kind: Kind
  var text: String

  init(_ kind: Kind, _ text: String) {
    self.kind = kind
    self.text = text
  }

  init(_ error: any Error) {
    switch error {
    case let error as StartFailure: self = error
    case let error as TokenFileError: self.init(.configuration, error.description)
    case let error as ServerTLS.Failure: self.init(.configuration, "TLS: " + error.description)
    case let error as ServiceStartError: self.init(.configuration, error.description)
    case let error as EmbeddedPostgresError: self.init(.unavailable, error.description)
    case let error as PostgresError: self.init(.unavailable, "database: \(error)")
    case let error as SchemaError: self.init(error)
    case let error as StoreError: self.init(error)
    case let error as InvalidChange: self.init(.configuration, error.message)
    default: self.init(.internal, "start failed: \(error)")
    }
  }

  private init(_ error: SchemaError) {
    let text =
      switch error {
      case .changedChecksum(let version):
        "migration \(version) was applied with other content; run the consentd it came from"
      case .newerSchema(let version):
        "the database is at migration \(version), newer than this consentd; run a newer one"
      case .notMigrated(let missing):
        "\(missing) migrations are missing; run `consentd migrate` with an administrator's login"
      case .unreadableMigration(let version): "migration \(version) of this binary is not text"
      }
    self.init(.unavailable, text)
  }

  private init(_ error: StoreError) {
    switch error {
    case .unavailable(let why): self.init(.unavailable, "the database cannot be used: \(why)")
    case .unreadable(let why): self.init(.unavailable, "the database cannot be read: \(why)")
    default: self.init(.unavailable, "the database cannot be used: \(error)")
    }
  }

  /// Tells it on one line of standard error and ends the program's command.
  var exit: ExitCode {
    let line = "consentd: " + text.split(whereSeparator: \.isNewline).joined(separator: " ") + "\n"
    // A closed pipe or a full disk must not end the program.
    try? FileHandle.standardError.write(contentsOf: Data(line.utf8))
    return ExitCode(kind.rawValue)
  }
}
