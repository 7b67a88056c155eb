internal import Foundation
internal import Postgres

extension Cluster {
  /// What to make of a server that may be ready.
  enum Readiness: Equatable {
    case ready
    /// It does not answer yet.
    case waiting(String)
    /// It answers, and is not the one of this folder.
    case foreign(String)
  }

  /// Connects as superuser and compares who answers with whose folder this is: a socket may have
  /// been moved here, and a data folder copied.
  func readiness() -> Readiness {
    let configuration = PostgresConfiguration(
      conninfo: conninfo(user: "postgres", password: nil, database: "postgres"),
      applicationName: "supervisor", searchPath: "pg_catalog", responseTimeout: .seconds(10))
    do {
      let connection = try PostgresConnection(configuration)
      let row = try connection.execute(Self.identity).single()
      let (folder, identifier) = try row.decode(String.self, Int64.self)
      return judge(folder: folder, identifier: identifier)
    } catch {
      return .waiting("\(error)")
    }
  }

  /// Two servers may see different things under one path, as in containers; a copy of a folder has
  /// another path and the same identifier. So both must agree.
  func judge(folder: String, identifier: Int64) -> Readiness {
    guard let served = Files.realPath(folder), served == Files.realPath(layout.data) else {
      return .foreign("the server at \(layout.socket) serves \(folder)")
    }
    guard let own = systemIdentifier(), own == identifier else {
      return .foreign("the server at \(layout.socket) has another system identifier")
    }
    return .ready
  }

  private static let identity = PostgresStatement(
    name: "identity",
    sql: """
      SELECT current_setting('data_directory'), system_identifier
        FROM pg_catalog.pg_control_system()
      """)

  /// The first eight bytes of the control file, in the order of this machine. They were there in
  /// every version of it.
  func systemIdentifier() -> Int64? {
    guard let file = FileHandle(forReadingAtPath: layout.controlFile),
      let bytes = try? file.read(upToCount: 8), bytes.count == 8
    else { return nil }
    return unsafe bytes.withUnsafeBytes { unsafe $0.loadUnaligned(as: Int64.self) }
  }
}
