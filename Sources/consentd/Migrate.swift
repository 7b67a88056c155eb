import ArgumentParser
import ConsentStore
import Foundation
import Postgres

struct Migrate: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Bring the schema of the database up to date, as an administrator.",
    discussion: "The server itself connects as consentd_server and never migrates.")

  @OptionGroup var database: DatabaseOptions

  @Option(
    help: ArgumentHelp(
      "File with the password to give to consentd_server. Absent: it is left as it is.",
      valueName: "file"))
  var serverPasswordFile: String?

  func run() async throws {
    do {
      guard case .external(let conninfo) = try database.choice() else {
        throw StartFailure(
          .usage, "an embedded database is migrated when it is served; give --database")
      }
      let configuration = PostgresConfiguration(
        conninfo: conninfo, applicationName: "consentd migrate")
      let applied = try Migrator().migrate(configuration)
      if let serverPasswordFile {
        let password = try PrivateFile.read(serverPasswordFile, what: "the server's password")
        try ServerLogin.setPassword(
          password.trimmingCharacters(in: .whitespacesAndNewlines), configuration)
      }
      print("\(applied) migrations applied")
    } catch {
      throw StartFailure(error).exit
    }
  }
}
