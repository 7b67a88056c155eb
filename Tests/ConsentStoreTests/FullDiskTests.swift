import ConsentCore
import ConsentStore
import EmbeddedPostgres
import Foundation
import Testing

/// A disk that is really full, where this process may mount a small one.
@Suite(.fewAtOnce, .timeLimit(.minutes(2)), .enabled(if: SmallDisk.canBeMounted))
struct FullDiskTests {
  @Test func whatWasAcknowledgedIsThereAndNothingElse() async throws {
    let disk = try SmallDisk.mount()
    let cluster = try await TemporaryPostgres.start()
    let database = try await TestDatabase.make(in: cluster, name: "small_disk")
    let bench = try await Together.open(database)
    try database.run("CREATE TABLESPACE small LOCATION '\(disk.path)'")
    try database.run(
      """
      ALTER TABLE consentd.idempotency SET TABLESPACE small;
      ALTER INDEX consentd.idempotency_pkey SET TABLESPACE small
      """)
    var acknowledged: [UInt64] = []
    var refused: StoreError?
    while refused == nil, acknowledged.count < 1_000 {
      let room = (0..<65_536).map { _ in UInt8.random(in: 0...255) }
      do {
        let receipt = try await bench.store.write(bench.organization, by: "t", key: nil) {
          try $0.append(Change(events: [Build.event(.documentStored)]))
          return room
        }
        acknowledged.append(receipt.head.position)
      } catch let error as StoreError {
        refused = error
      }
    }
    guard case .unavailable(let why) = refused, why.contains("disk is full") else {
      Issue.record("refused with \(String(describing: refused))")
      return
    }
    #expect(!acknowledged.isEmpty)
    #expect(try await bench.rows().map(\.position) == acknowledged)
    await bench.store.close()
    try await cluster.remove()
    disk.unmount()
  }
}

/// Memory as a disk of 2 MiB.
struct SmallDisk {
  let path: String

  /// Tried once: a container often may not.
  static let canBeMounted: Bool = {
    guard geteuid() == 0, let disk = try? mount() else { return false }
    disk.unmount()
    return true
  }()

  static func mount() throws -> SmallDisk {
    let path = "/tmp/small-disk-\(getpid())-\(UInt32.random(in: 0...(.max)))"
    try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    let disk = SmallDisk(path: path)
    guard run("mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", path),
      run("chown", "postgres", path)
    else {
      disk.unmount()
      throw CocoaError(.fileWriteNoPermission)
    }
    return disk
  }

  func unmount() {
    _ = Self.run("umount", "-l", path)
    try? FileManager.default.removeItem(atPath: path)
  }

  private static func run(_ command: String...) -> Bool {
    let process = Process()
    process.executableURL = URL(filePath: "/usr/bin/env")
    process.arguments = command
    process.standardError = FileHandle.nullDevice
    do {
      try process.run()
    } catch {
      return false
    }
    process.waitUntilExit()
    return process.terminationStatus == 0
  }
}
