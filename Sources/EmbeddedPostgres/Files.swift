internal import Foundation
internal import Glibc

/// The file operations that a supervisor needs, with errors that name the path.
enum Files {
  static func exists(_ path: String) -> Bool { unsafe access(path, F_OK) == 0 }

  static func text(_ path: String) -> String? {
    (try? Data(contentsOf: URL(fileURLWithPath: path))).map { String(decoding: $0, as: UTF8.self) }
  }

  /// Makes a folder that only its owner may enter, and gives it to `account`.
  static func makePrivateFolder(
    _ path: String, for account: ServerAccount
  ) throws(EmbeddedPostgresError) {
    if unsafe mkdir(path, 0o700) != 0 && errno != EEXIST { throw failure("create", path) }
    try account.own(path)
    guard unsafe chmod(path, 0o700) == 0 else { throw failure("protect", path) }
  }

  static func makeParents(of path: String) throws(EmbeddedPostgresError) {
    var parent = ""
    for part in path.split(separator: "/").dropLast() {
      parent += "/" + part
      if unsafe mkdir(parent, 0o755) != 0 && errno != EEXIST { throw failure("create", parent) }
    }
  }

  /// Writes a file that only `account` may read, whole or not at all.
  static func writePrivate(
    _ text: String, to path: String, for account: ServerAccount
  ) throws(EmbeddedPostgresError) {
    let unfinished = path + ".new"
    unsafe unlink(unfinished)
    let descriptor = unsafe open(unfinished, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
    guard descriptor >= 0 else { throw failure("create", unfinished) }
    defer { Glibc.close(descriptor) }
    let bytes = Array(text.utf8)
    let written = unsafe bytes.withUnsafeBytes {
      unsafe write(descriptor, $0.baseAddress, $0.count)
    }
    guard written == bytes.count, fsync(descriptor) == 0 else { throw failure("write", unfinished) }
    try account.own(unfinished)
    try rename(unfinished, to: path)
  }

  /// Renames, and makes the new name durable.
  static func rename(_ from: String, to path: String) throws(EmbeddedPostgresError) {
    guard unsafe Glibc.rename(from, path) == 0 else { throw failure("rename", from) }
    let folder = (path as NSString).deletingLastPathComponent
    let descriptor = unsafe open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
    guard descriptor >= 0 else { throw failure("open", folder) }
    defer { Glibc.close(descriptor) }
    guard fsync(descriptor) == 0 else { throw failure("flush", folder) }
  }

  static func removeTree(_ path: String) throws(EmbeddedPostgresError) {
    guard exists(path) else { return }
    do { try FileManager.default.removeItem(atPath: path) } catch {
      throw EmbeddedPostgresError(.system, "cannot remove \(path)")
    }
  }

  static func names(in folder: String) -> [String] {
    (try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []
  }

  /// The path without symbolic links, `nil` when there is nothing.
  static func realPath(_ path: String) -> String? {
    guard let resolved = unsafe realpath(path, nil) else { return nil }
    defer { unsafe free(resolved) }
    return unsafe String(cString: resolved)
  }

  static func linkTarget(_ path: String) -> String? {
    try? FileManager.default.destinationOfSymbolicLink(atPath: path)
  }

  static func absolute(_ path: String) -> String {
    let full = path.hasPrefix("/") ? path : FileManager.default.currentDirectoryPath + "/" + path
    return (full as NSString).standardizingPath
  }

  static func failure(_ action: String, _ path: String) -> EmbeddedPostgresError {
    let reason = unsafe strerror(errno).map { unsafe String(cString: $0) } ?? "error \(errno)"
    return EmbeddedPostgresError(.system, "cannot \(action) \(path): \(reason)")
  }
}
