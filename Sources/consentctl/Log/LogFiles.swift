import Foundation

/// A file written from the beginning, readable by its owner only; one that exists is kept.
struct NewFile {
  private let handle: FileHandle

  init(_ path: String) throws {
    let descriptor = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
    guard descriptor >= 0 else {
      throw CommandFailure.usage(
        errno == EEXIST ? "\(path) exists; it is kept as it is" : "cannot create \(path)")
    }
    handle = FileHandle(fileDescriptor: descriptor, closeOnDealloc: true)
  }

  func write(_ bytes: [UInt8]) throws {
    do {
      try handle.write(contentsOf: Data(bytes))
    } catch {
      throw CommandFailure.fault("cannot write the file; is the disk full?")
    }
  }

  func close() throws {
    do {
      try handle.synchronize()
      try handle.close()
    } catch {
      throw CommandFailure.fault("cannot write the file; is the disk full?")
    }
  }
}

/// A file read piece by piece.
struct PieceReader {
  let size: UInt64
  private let handle: FileHandle

  init(_ path: String) throws {
    guard let handle = FileHandle(forReadingAtPath: path) else {
      throw CommandFailure.usage("cannot read \(path)")
    }
    self.handle = handle
    let attributes = try? FileManager.default.attributesOfItem(atPath: path)
    size = (attributes?[.size] as? NSNumber)?.uint64Value ?? 0
  }

  /// Empty at the end.
  func next() throws -> [UInt8] {
    do {
      return Array(try handle.read(upToCount: 4 << 20) ?? Data())
    } catch {
      throw CommandFailure.fault("cannot read on; check the disk")
    }
  }
}

enum TextFile {
  static func read(_ path: String) throws -> String {
    guard let text = try? String(contentsOfFile: path, encoding: .utf8) else {
      throw CommandFailure.usage("cannot read \(path) as text")
    }
    return text
  }
}

/// How far a long run is, on standard error; silent where nobody looks.
enum ByteProgress {
  static func show(_ word: String, _ done: UInt64, of total: UInt64 = 0) {
    guard Terminal.showsProgress else { return }
    let megabytes = "\(done >> 20)" + (total > 0 ? "/\(total >> 20)" : "") + " MB"
    standardError("\r\(word) \(megabytes)")
  }

  static func end() {
    guard Terminal.showsProgress else { return }
    standardError("\n")
  }
}
