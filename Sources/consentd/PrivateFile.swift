import Foundation

/// Files that hold secrets: readable by their owner only, or refused.
enum PrivateFile {
  static func read(_ path: String, what: String) throws(StartFailure) -> String {
    try requirePrivate(path)
    guard let data = FileManager.default.contents(atPath: path),
      let text = String(data: data, encoding: .utf8)
    else {
      throw StartFailure(.configuration, "cannot read \(what) from \(path); check its permissions")
    }
    return text
  }

  /// Creates the file with mode 0600. Fails if it exists, so that no secret is ever overwritten.
  static func create(_ path: String, _ text: String) throws(StartFailure) {
    let descriptor = unsafe open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
    guard descriptor >= 0 else {
      throw StartFailure(
        .configuration,
        errno == EEXIST
          ? "\(path) exists already; it is kept as it is"
          : "cannot create \(path); check that its folder exists and can be written")
    }
    let handle = FileHandle(fileDescriptor: descriptor, closeOnDealloc: true)
    do {
      try handle.write(contentsOf: Data(text.utf8))
      try handle.synchronize()
    } catch {
      throw StartFailure(.configuration, "cannot write \(path); is the disk full?")
    }
  }

  /// Puts the file in the place of an older one, in one step: a reader sees one or the other.
  static func replace(_ path: String, _ text: String) throws(StartFailure) {
    let new = path + ".new"
    try? FileManager.default.removeItem(atPath: new)
    try create(new, text)
    guard unsafe rename(new, path) == 0 else {
      throw StartFailure(.configuration, "cannot write \(path); check its folder and permissions")
    }
  }

  /// 256 random bits in hexadecimal digits.
  static func randomPassword() -> String {
    Hexadecimal.text((0..<32).map { _ in UInt8.random(in: .min ... .max) })
  }

  static func exists(_ path: String) -> Bool { FileManager.default.fileExists(atPath: path) }

  private static func requirePrivate(_ path: String) throws(StartFailure) {
    let attributes = try? FileManager.default.attributesOfItem(atPath: path)
    guard let mode = attributes?[.posixPermissions] as? NSNumber else {
      throw StartFailure(.configuration, "cannot find \(path); check the path")
    }
    guard mode.intValue & 0o077 == 0 else {
      throw StartFailure(.configuration, "others can read \(path); run: chmod 600 \(path)")
    }
  }
}
