internal import Glibc

/// The user that PostgreSQL runs as. It refuses to run as root, so root runs it as `postgres`.
struct ServerAccount: Sendable {
  let name: String
  let user: uid_t
  let group: gid_t
  let groups: Set<gid_t>
  /// Whether this is another user than our own.
  let isSwitched: Bool

  static func current() throws(EmbeddedPostgresError) -> ServerAccount {
    guard geteuid() == 0 else {
      return ServerAccount(
        name: "this user", user: geteuid(), group: getegid(), groups: ownGroups(),
        isSwitched: false)
    }
    guard let entry = unsafe getpwnam("postgres") else {
      throw EmbeddedPostgresError(
        .notInstalled,
        "PostgreSQL does not run as root and there is no user postgres: "
          + "apt-get install postgresql, or start as another user")
    }
    let user = unsafe entry.pointee.pw_uid
    let group = unsafe entry.pointee.pw_gid
    return ServerAccount(
      name: "postgres", user: user, group: group, groups: groups(of: "postgres", group),
      isSwitched: true)
  }

  /// Gives a file or folder to this user.
  func own(_ path: String) throws(EmbeddedPostgresError) {
    guard isSwitched else { return }
    guard unsafe lchown(path, user, group) == 0 else {
      throw Files.failure("change the owner of", path)
    }
  }

  /// Checks that this user can get to `path`, which is absolute, as far as it exists.
  /// - Throws: `.unreachable`, naming the first folder on the way that bars it.
  func checkReach(_ path: String) throws(EmbeddedPostgresError) {
    var folder = ""
    for part in path.split(separator: "/") {
      folder += "/" + part
      var status = stat()
      guard unsafe stat(folder, &status) == 0 else {
        if errno == ENOENT { return }
        throw Files.failure("look at", folder)
      }
      guard mayEnter(status) else {
        throw EmbeddedPostgresError(
          .unreachable,
          "\(name) cannot enter \(folder) on the way to \(path): "
            + "chmod o+x \(folder), or choose a folder elsewhere")
      }
    }
  }

  private func mayEnter(_ status: stat) -> Bool {
    if status.st_uid == user { return status.st_mode & S_IXUSR != 0 }
    if groups.contains(status.st_gid) { return status.st_mode & S_IXGRP != 0 }
    return status.st_mode & S_IXOTH != 0
  }

  private static func ownGroups() -> Set<gid_t> {
    var list = [gid_t](repeating: 0, count: 1_024)
    let count = unsafe getgroups(Int32(list.count), &list)
    return Set(list.prefix(Int(max(0, count)))).union([getegid()])
  }

  private static func groups(of name: String, _ group: gid_t) -> Set<gid_t> {
    var list = [gid_t](repeating: 0, count: 1_024)
    var count = Int32(list.count)
    guard unsafe getgrouplist(name, group, &list, &count) >= 0 else { return [group] }
    return Set(list.prefix(Int(count))).union([group])
  }
}
