import Foundation

enum Files {
  /// Writes beside the file and renames, so that a reader sees the old or the new one. The file has
  /// its mode from its first byte on.
  static func write(_ data: Data, to path: String, mode: Int) throws {
    let new = path + ".new"
    unlink(new)
    let descriptor = open(new, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode_t(mode))
    guard descriptor >= 0 else {
      throw CommandFailure.data("cannot write \(path); check its folder and permissions")
    }
    let handle = FileHandle(fileDescriptor: descriptor, closeOnDealloc: true)
    do {
      try handle.write(contentsOf: data)
      try handle.synchronize()
    } catch {
      unlink(new)
      throw CommandFailure.data("cannot write \(path); is the disk full?")
    }
    // The mask of the process may have taken bits away that others need, as for a certificate.
    guard fchmod(descriptor, mode_t(mode)) == 0, rename(new, path) == 0 else {
      unlink(new)
      throw CommandFailure.data("cannot write \(path); check its folder and permissions")
    }
  }
}
