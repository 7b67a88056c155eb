/// Why a database folder cannot be served from. Each text names the folder and what to do.
public struct EmbeddedPostgresError: Error, Sendable, Equatable, CustomStringConvertible {
  public enum Kind: Sendable, Equatable {
    /// The user the database runs as cannot reach the folder.
    case unreachable
    /// The path of the socket is longer than the system takes.
    case socketPathTooLong
    /// Another process supervises this folder.
    case inUse
    /// The folder was written by a PostgreSQL that is not installed.
    case wrongVersion
    /// No usable PostgreSQL, or no user to run it as.
    case notInstalled
    /// The folder cannot be used as it is.
    case badDirectory
    /// PostgreSQL did not start.
    case startFailed
    /// PostgreSQL did not stop.
    case stopFailed
    /// A system call failed.
    case system
  }

  public let kind: Kind
  public let description: String

  init(_ kind: Kind, _ description: String) {
    self.kind = kind
    self.description = description
  }
}
