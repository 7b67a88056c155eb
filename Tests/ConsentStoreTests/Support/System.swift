import Foundation

/// Ends a process without giving it time for anything.
func killAtOnce(_ process: Int32) { kill(process, SIGKILL) }

/// The migrations as they lie in the repository: name and content, in order of name.
func schemaFiles() throws -> [(name: String, content: [UInt8])] {
  let folder = URL(filePath: #filePath).deletingLastPathComponent()
    .appending(path: "../../../Schema").standardized
  return try FileManager.default.contentsOfDirectory(atPath: folder.path)
    .filter { $0.hasSuffix(".sql") }.sorted()
    .map { ($0, Array(try Data(contentsOf: folder.appending(path: $0)))) }
}
