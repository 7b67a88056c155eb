internal import Glibc

/// `postmaster.pid`, in which a running server tells who and where it is.
struct PostmasterFile: Equatable {
  let process: pid_t
  let dataFolder: String

  /// - Parameter text: the process, the data folder, then lines that are not needed here.
  init?(_ text: String) {
    let lines = text.split(separator: "\n", omittingEmptySubsequences: false)
    guard lines.count >= 2, let process = pid_t(lines[0]), process > 0 else { return nil }
    self.process = process
    dataFolder = String(lines[1])
  }
}

/// What a data folder shows of a server that may be running on it.
enum Occupant: Equatable {
  case none
  /// A server that runs on this folder.
  case server(ServerProcess)
  /// Processes without their postmaster. They end by themselves; until then nobody may start.
  case orphans([pid_t])

  /// - Parameter layout: its paths are free of symbolic links.
  static func find(in layout: ClusterLayout) -> Occupant {
    let working = ServerProcess.working(in: layout.data)
    if let file = Files.text(layout.postmasterFile).flatMap({ PostmasterFile($0) }),
      working.contains(file.process), let process = ServerProcess(running: file.process)
    {
      return .server(process)
    }
    return working.isEmpty ? .none : .orphans(working)
  }

  /// Removes what a server that is gone has left behind. PostgreSQL does this itself, except when a
  /// process of another kind has got the number of the old one; then it would never start.
  ///
  /// Without a file there is nothing to remove: a server just being started may be about to write it.
  ///
  /// INVARIANT: called under the folder's lock, and only after `find` returned `.none`.
  static func clearRemains(in layout: ClusterLayout) {
    guard let file = Files.text(layout.postmasterFile).flatMap({ PostmasterFile($0) }),
      ServerProcess.workingFolder(of: file.process) != layout.data
    else { return }
    for path in [layout.postmasterFile, layout.socket, layout.socketLock] {
      // When it cannot be removed, PostgreSQL will complain of it by name.
      unsafe unlink(path)
    }
  }
}
