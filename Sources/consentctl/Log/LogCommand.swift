import ArgumentParser
import ConsentCore
import ConsentProto
import ConsentStore
import Foundation
import Postgres

struct LogCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "log",
    abstract:
      "Takes decision logs, checkpoints and proofs out of the service, to be kept elsewhere.",
    subcommands: [
      LogExportCommand.self, LogCheckpointCommand.self, LogProofCommand.self,
      LogConsistencyCommand.self,
    ])
}

struct LogExportCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "export",
    abstract: "Writes whole logs to a file that `consentctl verify log` checks offline.",
    discussion: """
      Reads the database in one read-only snapshot; any login that may read the log tables does.
      The file holds every logged question with its patient's id: keep it as you keep the database.

      Example:
        PGPASSFILE=~/.pgpass consentctl log export --database 'host=db user=auditor' \\
          --organization 0f7d5a52-6d1c-4f7a-9d5e-2d7f5f2f0001 --output logs.consentlog
      """)

  @Option(help: "libpq connection string, without a password.") var database: String
  @Option(help: "The organization's id (UUID).") var organization: String
  @Option(help: "The log's id (UUID). Default: every log of the organization.") var log: String?
  @Option(help: "The file to write. It must not exist.") var output: String
  @Flag(help: "Print JSON instead of text.") var json = false

  func run() async throws {
    try await reporting {
      guard !database.contains("password") else {
        throw CommandFailure.usage("give the password in PGPASSWORD or a password file")
      }
      guard let id = OrganizationID(organization) else {
        throw CommandFailure.usage("--organization: \(organization) is not a UUID")
      }
      let selection = try log.map { text throws -> LogSelection in
        guard let log = ID<DecisionLog>(text) else {
          throw CommandFailure.usage("--log: \(text) is not a UUID")
        }
        return .one(log)
      }
      let file = try NewFile(output)
      var written: UInt64 = 0
      do {
        let told = try LogExport.write(
          selection ?? .all, of: id,
          database: PostgresConfiguration(
            conninfo: database, applicationName: "consentctl log export")
        ) { bytes in
          try file.write(bytes)
          written += UInt64(bytes.count)
          ByteProgress.show("exported", written)
        }
        try file.close()
        ByteProgress.end()
        print(
          json
            ? #"{"logs":\#(told.logs),"leaves":\#(told.leaves),"bytes":\#(written)}"#
            : "\(told.logs) logs with \(told.leaves) records, \(written) bytes")
      } catch let error as StoreError {
        throw CommandFailure.unavailable("the logs cannot be read: \(error)")
      }
    }
  }
}

struct LogCheckpointCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "checkpoint",
    abstract: "Prints the newest signed checkpoint of a log, or of every log that has not ended.",
    discussion: """
      Keep them outside the service: only such a copy shows a rollback or a fork by whoever holds \
      both the database and the key.

      Example:
        consentctl log checkpoint > checkpoints-2026-11-25.txt
      """)

  @Option(help: "The log's id (UUID).") var log: String?
  @OptionGroup var server: ServerOptions

  func run() async throws {
    try await reporting {
      var request = Consent_V1_GetCheckpointRequest()
      if let log { request.logID = log }
      let answer: Consent_V1_GetCheckpointResponse = try await server.connected(as: .auditor) {
        try await $0.unary("AuditService/GetCheckpoint", request)
      }
      guard !server.json else { return print(try answer.json()) }
      let notes = answer.checkpoints.map(\.note).filter { !$0.isEmpty }
      print(notes.joined(separator: "\n"), terminator: "")
      let unsigned = answer.checkpoints.count - notes.count
      if unsigned > 0 { standardError("consentctl: \(unsigned) logs have no signed state yet\n") }
    }
  }
}

struct LogProofCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "proof",
    abstract: "Prints the proof, as JSON, that a decision is in its log.",
    discussion: "Example:\n  consentctl log proof 5f0c…:17 > proof.json")

  @Argument(help: "The decision id, as check printed it.") var decision: String
  @Option(help: "The size of the tree. Default: the newest signed one.") var size: UInt64 = 0
  @OptionGroup var server: ServerOptions

  func run() async throws {
    try await reporting {
      var request = Consent_V1_ProveInclusionRequest()
      request.decisionID = decision
      request.treeSize = size
      let answer: Consent_V1_ProveInclusionResponse = try await server.connected(as: .auditor) {
        try await $0.unary("AuditService/ProveInclusion", request)
      }
      print(try answer.json())
    }
  }
}

struct LogConsistencyCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "consistency",
    abstract: "Prints the proof, as JSON, that a log only grew between two sizes.",
    discussion: "Example:\n  consentctl log consistency --log 5f0c… --first 100 --second 250")

  @Option(help: "The log's id (UUID).") var log: String
  @Option(help: "The smaller size.") var first: UInt64
  @Option(help: "The larger size. Default: the newest signed one.") var second: UInt64 = 0
  @OptionGroup var server: ServerOptions

  func run() async throws {
    try await reporting {
      var request = Consent_V1_ProveConsistencyRequest()
      request.logID = log
      request.firstTreeSize = first
      request.secondTreeSize = second
      let answer: Consent_V1_ProveConsistencyResponse = try await server.connected(as: .auditor) {
        try await $0.unary("AuditService/ProveConsistency", request)
      }
      print(try answer.json())
    }
  }
}
