import Foundation
import Glibc
import Postgres
import Testing

@testable import EmbeddedPostgres

/// A folder for one test, and what the supervisor said.
private final class Scratch: Sendable {
  let path: String
  let stream: AsyncStream<String>
  private let feed: AsyncStream<String>.Continuation

  init() {
    path = "/tmp/ep-\(UInt32.random(in: 0...(.max)))"
    (stream, feed) = AsyncStream.makeStream()
  }

  /// - Parameter endsWithTests: whether a server that a failing test forgets ends with the process.
  func start(endsWithTests: Bool = true) async throws -> EmbeddedPostgres {
    var options = EmbeddedPostgres.Options()
    options.isTemporary = endsWithTests
    let feed = feed
    return try await EmbeddedPostgres.start(directory: path, options: options) { line in
      feed.yield(line)
    }
  }

  /// Waits until the supervisor says something that begins so.
  func heard(_ start: String) async -> Bool {
    for await line in stream where line.hasPrefix(start) { return true }
    return false
  }

  func remove() { try? FileManager.default.removeItem(atPath: path) }

  deinit { remove() }
}

private func count(_ server: EmbeddedPostgres) throws -> Int64 {
  let connection = try PostgresConnection(
    PostgresConfiguration(conninfo: server.conninfo(), applicationName: "test"))
  let statement = PostgresStatement(name: "count", sql: "SELECT count(*) FROM kept")
  return try connection.execute(statement).single().get(0)
}

private func makeTable(_ server: EmbeddedPostgres) throws {
  let connection = try PostgresConnection(
    PostgresConfiguration(conninfo: server.conninfo(), applicationName: "test"))
  try connection.execute(script: "CREATE TABLE kept(n int4); INSERT INTO kept VALUES (1), (2)")
}

private func problem(
  _ body: () async throws -> Void
) async -> EmbeddedPostgresError? {
  do {
    try await body()
    return nil
  } catch { return error as? EmbeddedPostgresError }
}

@Suite(.timeLimit(.minutes(3))) struct EmbeddedPostgresTests {
  @Test func aClusterIsCreatedOnceServesAndKeepsItsRows() async throws {
    let scratch = Scratch()
    let server = try await scratch.start(endsWithTests: false)
    try makeTable(server)
    let connection = try PostgresConnection(
      PostgresConfiguration(conninfo: server.conninfo(), applicationName: "test"))
    let row = try connection.execute(
      PostgresStatement(
        name: "settings",
        sql: """
          SELECT current_setting('listen_addresses'), current_setting('data_checksums'),
                 current_setting('server_encoding'), current_setting('password_encryption'),
                 current_setting('unix_socket_permissions')
          """)
    ).single()
    #expect(
      try row.decode(String.self, String.self, String.self, String.self, String.self)
        == ("", "on", "UTF8", "scram-sha-256", "0700"))
    #expect(try connection.safety().objections(requiresStandby: false).isEmpty)
    try await server.stop()
    #expect(!server.wasAdopted)

    let again = try await scratch.start()
    #expect(try count(again) == 2)
    try await again.stop()
    try await again.stop()
  }

  @Test func thePasswordIsNeededAndItsFileIsPrivate() async throws {
    let scratch = Scratch()
    let server = try await scratch.start()
    let conninfo = server.conninfo(user: "postgres", password: "wrong")
    let error = #expect(throws: PostgresError.self) {
      _ = try PostgresConnection(
        PostgresConfiguration(conninfo: conninfo, applicationName: "test"))
    }
    #expect(error?.kind == .connectFailed)
    var status = stat()
    #expect(stat(scratch.path + "/superuser.password", &status) == 0)
    #expect(status.st_mode & 0o777 == 0o600)
    #expect(stat(scratch.path + "/run", &status) == 0)
    #expect(status.st_mode & 0o777 == 0o700)
    try await server.stop()
  }

  @Test func theServerRunsInASessionOfItsOwnAndDoesNotHoldTheLock() async throws {
    let scratch = Scratch()
    let server = try await scratch.start()
    #expect(getsid(server.postmasterPID) == server.postmasterPID)
    #expect(getsid(0) != server.postmasterPID)
    let open =
      (try? FileManager.default.contentsOfDirectory(
        atPath: "/proc/\(server.postmasterPID)/fd")) ?? []
    let targets = open.compactMap {
      Files.linkTarget("/proc/\(server.postmasterPID)/fd/\($0)")
    }
    #expect(!targets.isEmpty)
    #expect(!targets.contains { $0.hasSuffix("/lock") })
    try await server.stop()
  }

  @Test func aSecondSupervisorOnTheFolderIsRefusedByName() async throws {
    let scratch = Scratch()
    let server = try await scratch.start()
    let error = await problem { _ = try await scratch.start() }
    #expect(error?.kind == .inUse)
    #expect(error?.description.contains("process \(getpid())") == true)
    #expect(error?.description.contains(scratch.path) == true)
    try await server.stop()
  }

  @Test func aServerKilledWithItsRowsIsStartedAgain() async throws {
    let scratch = Scratch()
    let server = try await scratch.start()
    try makeTable(server)
    let first = server.postmasterPID
    #expect(kill(first, SIGKILL) == 0)
    #expect(await scratch.heard("PostgreSQL runs again"))
    #expect(server.postmasterPID != first)
    #expect(server.restartCount == 1)
    #expect(try count(server) == 2)
    try await server.stop()
  }

  @Test func stoppingEndsEveryProcessOfTheServer() async throws {
    let scratch = Scratch()
    let server = try await scratch.start()
    let connection = try PostgresConnection(
      PostgresConfiguration(conninfo: server.conninfo(), applicationName: "test"))
    try connection.begin()
    try await server.stop(timeout: .seconds(20))
    #expect(ServerProcess.working(in: scratch.path + "/data").isEmpty)
    #expect(!Files.exists(scratch.path + "/data/postmaster.pid"))
  }
}

/// What a supervisor that was killed, or a machine that stopped, leaves behind.
@Suite(.timeLimit(.minutes(3))) struct EmbeddedPostgresRecoveryTests {
  private func cluster(_ scratch: Scratch) throws -> Cluster {
    try Cluster(
      layout: ClusterLayout(root: scratch.path), account: .current(), options: .init()
    ) { _ in }
  }

  /// Starts a server that nobody watches. It has claimed the folder, and is not even ready yet.
  private func startWithoutSupervisor(_ scratch: Scratch) throws -> ServerProcess {
    let cluster = try cluster(scratch)
    let process = try cluster.start()
    while true {
      if case .server(let found) = Occupant.find(in: cluster.layout) {
        #expect(found.id == process.id)
        return process
      }
      try #require(process.isAlive())
    }
  }

  @Test func aServerLeftRunningIsTakenOverAndWatched() async throws {
    let scratch = Scratch()
    var server = try await scratch.start()
    try makeTable(server)
    try await server.stop()
    let left = try startWithoutSupervisor(scratch)

    server = try await scratch.start()
    #expect(server.wasAdopted)
    #expect(server.postmasterPID == left.id)
    #expect(try count(server) == 2)
    left.send(SIGKILL)
    #expect(await scratch.heard("PostgreSQL runs again"))
    #expect(try count(server) == 2)
    try await server.stop()
    _ = left.isAlive()
  }

  @Test func aTakenOverServerCanBeStopped() async throws {
    let scratch = Scratch()
    var server = try await scratch.start()
    try await server.stop()
    let left = try startWithoutSupervisor(scratch)
    server = try await scratch.start()
    try await server.stop()
    #expect(!left.isAlive())
  }

  @Test func aPidFileThatNamesAnotherProgramDoesNotKeepTheServerFromStarting() async throws {
    let scratch = Scratch()
    var server = try await scratch.start()
    try makeTable(server)
    try await server.stop()
    let cluster = try cluster(scratch)
    let stranger = try ServerProcess.start(
      ["/usr/bin/sleep", "1000"], as: cluster.account, in: "/", output: "/dev/null")
    defer {
      stranger.send(SIGKILL)
      _ = stranger.waitForExit()
    }
    let file = scratch.path + "/data/postmaster.pid"
    let text = "\(stranger.id)\n\(scratch.path)/data\n1\n5432\n\(scratch.path)/run\n\n0 0\nready\n"
    try Files.writePrivate(text, to: file, for: cluster.account)
    // Without the removal PostgreSQL refuses, which is why there is one.
    #expect(try cluster.start().waitForExit() == 1)

    server = try await scratch.start()
    #expect(!server.wasAdopted)
    #expect(try count(server) == 2)
    try await server.stop()
    #expect(stranger.isAlive())
  }

  @Test func aHalfMadeClusterIsMadeAnew() async throws {
    let scratch = Scratch()
    let account = try ServerAccount.current()
    try Files.makePrivateFolder(scratch.path, for: account)
    try Files.makePrivateFolder(scratch.path + "/data.new", for: account)
    try Files.writePrivate("15", to: scratch.path + "/data.new/PG_VERSION", for: account)
    let server = try await scratch.start()
    try makeTable(server)
    #expect(!Files.exists(scratch.path + "/data.new"))
    try await server.stop()
  }

  @Test func aForeignServerIsRecognizedByItsFolderAndByItsSystemIdentifier() async throws {
    let scratch = Scratch()
    let server = try await scratch.start()
    let own = try cluster(scratch)
    #expect(own.readiness() == .ready)
    let folder = scratch.path + "/data"
    let identifier = try #require(own.systemIdentifier())
    #expect(own.judge(folder: folder, identifier: identifier) == .ready)
    #expect(own.judge(folder: "/tmp", identifier: identifier) != .ready)
    #expect(own.judge(folder: "/nowhere", identifier: identifier) != .ready)
    #expect(own.judge(folder: folder, identifier: identifier &+ 1) != .ready)
    try await server.stop()
  }
}

/// Folders that cannot be served from, each refused before anything is changed.
@Suite(.timeLimit(.minutes(1))) struct EmbeddedPostgresRefusalTests {
  @Test func aSocketPathOneByteTooLongIsNamed() async throws {
    let longest = ClusterLayout.longestSocketPath
    let rest = "/run/.s.PGSQL.5432".utf8.count
    let fitting = "/" + String(repeating: "x", count: longest - rest - 1)
    #expect(throws: Never.self) { try ClusterLayout(root: fitting) }
    let error = await problem {
      _ = try await EmbeddedPostgres.start(directory: fitting + "x") { _ in }
    }
    #expect(error?.kind == .socketPathTooLong)
    #expect(error?.description.contains(fitting + "x") == true)
    #expect(!Files.exists(fitting + "x"))
  }

  @Test func dataOfAnotherVersionAreNotTouchedAndTheUpgradeIsNamed() async throws {
    let scratch = Scratch()
    let account = try ServerAccount.current()
    try Files.makePrivateFolder(scratch.path, for: account)
    try Files.makePrivateFolder(scratch.path + "/data", for: account)
    try Files.writePrivate("9.6\n", to: scratch.path + "/data/PG_VERSION", for: account)
    let error = await problem { _ = try await scratch.start() }
    #expect(error?.kind == .wrongVersion)
    #expect(error?.description.contains("pg_upgrade") == true)
    #expect(error?.description.contains("PostgreSQL 9") == true)
    #expect(Files.names(in: scratch.path + "/data") == ["PG_VERSION"])
  }

  @Test func aFolderWithOtherThingsInItIsNotTakenForData() async throws {
    let scratch = Scratch()
    try Files.makePrivateFolder(scratch.path, for: .current())
    try Files.makePrivateFolder(scratch.path + "/data", for: .current())
    let error = await problem { _ = try await scratch.start() }
    #expect(error?.kind == .badDirectory)
  }

  @Test(.enabled(if: geteuid() == 0))
  func theFolderThatBarsTheWayIsNamed() async throws {
    let scratch = Scratch()
    #expect(mkdir(scratch.path, 0o755) == 0)
    #expect(mkdir(scratch.path + "/private", 0o700) == 0)
    let error = await problem {
      _ = try await EmbeddedPostgres.start(directory: scratch.path + "/private/db") { _ in }
    }
    #expect(error?.kind == .unreachable)
    #expect(error?.description.contains("cannot enter \(scratch.path)/private on") == true)
    #expect(Files.names(in: scratch.path + "/private").isEmpty)
  }

  @Test func versionsAreChosenByWhatWroteTheData() throws {
    let layout = try ClusterLayout(root: "/srv/db")
    let installed = [16, 15, 14].map { ServerBinaries(folder: "/opt/\($0)", version: $0) }
    func select(_ version: Int?) throws -> Int {
      try ServerBinaries.select(dataVersion: version, layout: layout, from: installed).version
    }
    #expect(try select(nil) == 16)
    #expect(try select(15) == 15)
    let tooOld = #expect(throws: EmbeddedPostgresError.self) { try select(14) }
    #expect(tooOld?.kind == .wrongVersion)
    let newer = #expect(throws: EmbeddedPostgresError.self) { try select(17) }
    #expect(newer?.kind == .wrongVersion)
    let none = #expect(throws: EmbeddedPostgresError.self) {
      try ServerBinaries.select(dataVersion: nil, layout: layout, from: [])
    }
    #expect(none?.kind == .notInstalled)
  }

  @Test func aSignalForAProcessDoesNotReachALaterOneWithItsNumber() throws {
    // It exits with 7 on SIGINT; SIGKILL would end it without an exit code. Not a shell: dash may
    // miss a signal, or forget the code, while it starts a command.
    let marker = NSTemporaryDirectory() + "signal-\(UInt64.random(in: 0...(.max)))"
    defer { unlink(marker) }
    let later = try ServerProcess.start(
      [
        "/usr/bin/perl", "-e",
        "$SIG{INT} = sub { exit 7 }; open my $f, '>', '\(marker)'; close $f; sleep 1 while 1",
      ],
      as: .current(), in: "/", output: "/dev/null")
    while !Files.exists(marker), later.isAlive() { usleep(1_000) }
    let earlier = ServerProcess(id: later.id, isChild: false, startTicks: 1)
    earlier.send(SIGKILL)
    later.send(SIGINT)
    #expect(later.waitForExit() == 7)
  }

  @Test func aPostmasterFileIsReadOrRefused() {
    #expect(PostmasterFile("12\n/srv/data\n5\n")?.process == 12)
    #expect(PostmasterFile("12\n/srv/data\n5\n")?.dataFolder == "/srv/data")
    for text in ["", "12", "x\n/srv\n", "-12\n/srv\n", "0\n/srv\n", "99999999999\n/srv\n"] {
      #expect(PostmasterFile(text) == nil)
    }
  }
}
