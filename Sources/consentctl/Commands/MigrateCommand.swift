import ArgumentParser
import ConsentStore
import Postgres

struct MigrateCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "migrate",
    abstract: "Brings the database schema up to date; consentd does the same at its start.",
    discussion: """
      Connect as an administrator who may create roles; the password comes from PGPASSWORD or a
      password file, never from here. One migrator runs at a time; what was applied is checked.

      Example:
        PGPASSFILE=~/.pgpass consentctl migrate --database 'host=db dbname=consentd user=admin'
      """)

  @Option(help: "libpq connection string, without a password.") var database: String

  func run() async throws {
    try await reporting {
      guard !database.contains("password") else {
        throw CommandFailure.usage("give the password in PGPASSWORD or a password file")
      }
      do {
        let count = try Migrator().migrate(
          PostgresConfiguration(conninfo: database, applicationName: "consentctl migrate"))
        print(count == 0 ? "the schema is up to date" : "applied \(count) migrations")
      } catch let error as SchemaError {
        throw CommandFailure.data(Self.words(error))
      } catch let error as PostgresError {
        throw CommandFailure.unavailable("\(error)")
      }
    }
  }

  private static func words(_ error: SchemaError) -> String {
    switch error {
    case .changedChecksum(let version):
      "migration \(version) was applied with other content; use the release it came from"
    case .newerSchema(let version):
      "the database is at migration \(version), newer than this release; use that release"
    case .notMigrated(let missing): "\(missing) migrations are missing; run this as administrator"
    case .unreadableMigration(let version): "migration \(version) of this binary is damaged"
    }
  }
}
