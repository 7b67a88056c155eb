import ArgumentParser
import Foundation

/// Which database is used, without a password in the arguments, where any user could read it.
struct DatabaseOptions: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      "Create and supervise a PostgreSQL cluster of its own in this folder.", valueName: "dir"))
  var embeddedPostgres: String?

  @Option(
    help: ArgumentHelp(
      "libpq connection string, without password (use PGPASSWORD or a passfile).",
      valueName: "conninfo"))
  var database: String?

  @Option(
    help: ArgumentHelp(
      "File that holds the whole connection string, readable by its owner only.",
      valueName: "file"))
  var databaseFile: String?

  enum Choice {
    case embedded(directory: String)
    case external(conninfo: String)

    /// Where an embedded database's node remembers what it saw: beside the data, not in it.
    var seenFile: String? {
      if case .embedded(let directory) = self { directory + "/seen.json" } else { nil }
    }
  }

  func choice() throws(StartFailure) -> Choice {
    guard [embeddedPostgres, database, databaseFile].count(where: { $0 != nil }) == 1 else {
      throw StartFailure(
        .usage, "give one of --embedded-postgres DIR, --database CONNINFO, --database-file FILE")
    }
    if let embeddedPostgres { return .embedded(directory: embeddedPostgres) }
    if let databaseFile {
      let text = try PrivateFile.read(databaseFile, what: "the connection string")
      return .external(conninfo: text.trimmingCharacters(in: .whitespacesAndNewlines))
    }
    let conninfo = database ?? ""
    guard !DatabaseOptions.holdsPassword(conninfo) else {
      throw StartFailure(
        .usage,
        "a password in the arguments can be read by every user; use PGPASSWORD, a passfile "
          + "or --database-file")
    }
    return .external(conninfo: conninfo)
  }

  static func holdsPassword(_ conninfo: String) -> Bool {
    if conninfo.range(of: #"\bpassword\s*="#, options: [.regularExpression, .caseInsensitive])
      != nil
    {
      return true
    }
    return conninfo.range(of: #"^postgres(ql)?://[^/@]*:[^/@]+@"#, options: .regularExpression)
      != nil
  }
}
