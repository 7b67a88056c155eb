internal import Glibc

/// The claim of one process on a folder. The kernel drops it when the process ends, however it does.
///
/// The file is closed on exec: were it inherited, PostgreSQL would hold the lock on after us.
final class DirectoryLock: Sendable {
  private let descriptor: Int32

  init(_ path: String) throws(EmbeddedPostgresError) {
    let descriptor = unsafe open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0o600)
    guard descriptor >= 0 else { throw Files.failure("open", path) }
    guard flock(descriptor, LOCK_EX | LOCK_NB) == 0 else {
      let reason = errno
      let holder = Files.text(path).flatMap { Int32($0) }
      close(descriptor)
      errno = reason
      guard reason == EWOULDBLOCK else { throw Files.failure("lock", path) }
      let name = holder.map { "process \($0)" } ?? "another process"
      throw EmbeddedPostgresError(
        .inUse, "\(name) already supervises this folder (\(path)): stop it, or use another folder")
    }
    self.descriptor = descriptor
    let text = Array("\(getpid())".utf8)
    // For the message above only, so a failure to write it is no failure.
    _ = ftruncate(descriptor, 0)
    _ = unsafe text.withUnsafeBytes { unsafe pwrite(descriptor, $0.baseAddress, $0.count, 0) }
  }

  deinit { close(descriptor) }
}
