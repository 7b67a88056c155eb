internal import Foundation
internal import Glibc

/// The programs of one installed PostgreSQL version.
struct ServerBinaries: Sendable, Equatable {
  let folder: String
  /// The major version, for example 15.
  let version: Int

  var postgres: String { folder + "/postgres" }
  var initdb: String { folder + "/initdb" }

  /// The oldest version with everything that is relied upon.
  static let oldestVersion = 15

  /// All installed versions, the newest first: the folders of Debian's packages, then PATH.
  static func installed() -> [ServerBinaries] {
    let packages = "/usr/lib/postgresql"
    var found = Files.names(in: packages).compactMap { name -> ServerBinaries? in
      Int(name).map { ServerBinaries(folder: "\(packages)/\(name)/bin", version: $0) }
    }.filter(\.isComplete).sorted { $0.version > $1.version }
    let path = ProcessInfo.processInfo.environment["PATH"] ?? ""
    for folder in path.split(separator: ":").map(String.init) {
      let name = (Files.realPath(folder + "/postgres") as NSString?)?.deletingLastPathComponent
      guard let name, !found.contains(where: { $0.folder == name }) else { continue }
      guard let version = version(of: name + "/postgres") else { continue }
      let binaries = ServerBinaries(folder: name, version: version)
      if binaries.isComplete { found.append(binaries) }
    }
    return found
  }

  /// The programs to use for a folder.
  /// - Parameter dataVersion: what wrote the data there; `nil` when there are none yet.
  static func select(
    dataVersion: Int?, layout: ClusterLayout, from installed: [ServerBinaries]
  ) throws(EmbeddedPostgresError) -> ServerBinaries {
    let usable = installed.filter { $0.version >= oldestVersion }
    guard let newest = usable.first else {
      throw EmbeddedPostgresError(
        .notInstalled,
        "there is no PostgreSQL \(oldestVersion) or newer in /usr/lib/postgresql or PATH: "
          + "apt-get install postgresql")
    }
    guard let dataVersion else { return newest }
    if let match = usable.first(where: { $0.version == dataVersion }) { return match }
    let names = usable.map { "\($0.version)" }.joined(separator: ", ")
    let old = "/usr/lib/postgresql/\(dataVersion)/bin"
    let new = "\(layout.data).\(newest.version)"
    throw EmbeddedPostgresError(
      .wrongVersion,
      "\(layout.data) was written by PostgreSQL \(dataVersion), and installed is \(names): "
        + "apt-get install postgresql-\(dataVersion) to go on as before, or with both installed "
        + "upgrade it as its owner: \(newest.initdb) -D \(new) --data-checksums --locale=C "
        + "--encoding=UTF8 --username=postgres && \(newest.folder)/pg_upgrade -b \(old) "
        + "-B \(newest.folder) -d \(layout.data) -D \(new) -U postgres, then put \(new) in the "
        + "place of \(layout.data)")
  }

  private var isComplete: Bool {
    unsafe access(postgres, X_OK) == 0 && access(initdb, X_OK) == 0
  }

  /// Asks a program for its version: "postgres (PostgreSQL) 15.20 (Debian …)".
  private static func version(of program: String) -> Int? {
    let process = Process()
    let output = Pipe()
    process.executableURL = URL(fileURLWithPath: program)
    process.arguments = ["--version"]
    process.standardOutput = output
    process.standardError = FileHandle.nullDevice
    guard (try? process.run()) != nil else { return nil }
    let data = output.fileHandleForReading.readDataToEndOfFile()
    process.waitUntilExit()
    let words = String(decoding: data, as: UTF8.self).split(separator: " ")
    guard words.count > 2 else { return nil }
    return Int(words[2].prefix(while: \.isNumber))
  }
}
