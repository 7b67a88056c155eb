/// Where everything lies in the folder of an embedded cluster.
struct ClusterLayout: Sendable {
  /// Absolute.
  let root: String

  static let port = 5_432

  var data: String { root + "/data" }
  /// A cluster being made. It becomes `data` by a rename, so that a crash leaves no half of one.
  var unfinishedData: String { root + "/data.new" }
  var socketFolder: String { root + "/run" }
  var socket: String { socketFolder + "/.s.PGSQL.\(Self.port)" }
  var socketLock: String { socket + ".lock" }
  var log: String { root + "/log" }
  var startLog: String { log + "/start.log" }
  var lock: String { root + "/lock" }
  var superuserPassword: String { root + "/superuser.password" }
  var postmasterFile: String { data + "/postmaster.pid" }
  var versionFile: String { data + "/PG_VERSION" }
  var controlFile: String { data + "/global/pg_control" }

  /// What `sun_path` holds, less its final zero (unix(7)).
  static let longestSocketPath = 107

  init(root: String) throws(EmbeddedPostgresError) {
    self.root = root
    guard socket.utf8.count <= Self.longestSocketPath else {
      throw EmbeddedPostgresError(
        .socketPathTooLong,
        "the socket path \(socket) has \(socket.utf8.count) bytes and the system takes "
          + "\(Self.longestSocketPath): choose a shorter folder than \(root)")
    }
  }
}
