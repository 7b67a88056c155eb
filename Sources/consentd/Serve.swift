import ArgumentParser
import ConsentServer
import Logging

struct Serve: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Serve gRPC, gRPC-Web and Connect.",
    discussion: """
      SIGTERM or Ctrl-C ends it in good order: health turns NOT_SERVING, calls in flight finish \
      within --drain-grace, then the database is let go. A second signal cuts calls off.
      Certificates, tokens, issuers and their key sets are read again when they change, and on \
      SIGHUP; open connections go on. SIGUSR1 confirms the clock after a step.
      """)

  @OptionGroup(title: "Listening") var listen: ListenOptions

  @OptionGroup var database: DatabaseOptions

  @Option(
    help: ArgumentHelp(
      "Callers by the SHA-256 of their token or by their certificate.", valueName: "file"))
  var tokens: String?

  @Option(
    help: ArgumentHelp(
      "Issuers whose signed tokens (JWT) are believed, with their key sets.", valueName: "file"))
  var issuers: String?

  @Option(
    help: ArgumentHelp(
      "Master key (mode 0600). Embedded: DIR/master.key, made at the first start.",
      valueName: "file"))
  var masterKeyFile: String?

  @Option(
    help: ArgumentHelp(
      """
      Log key (mode 0600), which signs receipts and checkpoints; older keys on the lines after \
      the first. Embedded: DIR/log.key, made at the first start.
      """, valueName: "file"))
  var logKeyFile: String?

  @Option(
    help: ArgumentHelp(
      """
      Remembers the newest change this node saw of each organization, so that a backup restored \
      while it was down is noticed at the next start. One file a node. Embedded: DIR/seen.json.
      """, valueName: "file"))
  var seenFile: String?

  @Flag(help: "Serve although the database no longer holds what --seen-file remembers.")
  var acceptHistory = false

  @Option(
    help: ArgumentHelp("Organizations to create if they are not there yet.", valueName: "file"))
  var organizations: String?

  @Option(
    help: ArgumentHelp(
      "Take the time from this file at every look, for tests; embedded databases only.",
      valueName: "file"))
  var testClock: String?

  @Option(help: "Connections to the database for reading; half as many for writing and deciding.")
  var lanes = 4

  @Option(
    help: "Images kept in memory for each organization; the others are read when asked for.")
  var indexedImages = 2_000_000

  @Option(help: "Event loops, one thread each.")
  var loops = 1

  @Option(
    help: "trace, debug, info, notice, warning, error or critical.",
    transform: { text in
      guard let level = Logger.Level(rawValue: text) else {
        throw ValidationError("use trace, debug, info, notice, warning, error or critical")
      }
      return level
    })
  var logLevel: Logger.Level = .info

  @OptionGroup(title: "Connections") var connections: ConnectionOptions

  func run() async throws {
    let level = logLevel
    LoggingSystem.bootstrap { StderrLog(label: $0, logLevel: level) }
    do {
      let signals = Signals()
      let running = try await Running.start(try settings(), signals)
      await running.untilEnded(by: signals)
    } catch {
      throw StartFailure(error).exit
    }
  }

  func settings() throws(StartFailure) -> Settings {
    let choice = try database.choice()
    let listening = try listen.listening()
    try connections.check()
    guard tokens != nil || issuers != nil else {
      throw StartFailure(.usage, "who may call? Give --tokens FILE, --issuers FILE or both")
    }
    guard (1...64).contains(lanes), (1...256).contains(loops) else {
      throw StartFailure(.usage, "--lanes is 1 to 64 and --loops 1 to 256")
    }
    guard (1...1_000_000_000).contains(indexedImages) else {
      throw StartFailure(.usage, "--indexed-images is 1 to 1000000000")
    }
    if testClock != nil {
      guard case .embedded = choice else {
        throw StartFailure(.usage, "--test-clock needs --embedded-postgres: it is for tests alone")
      }
    }
    if case .external = choice, masterKeyFile == nil {
      throw StartFailure(
        .usage, "--database needs --master-key-file; make one with `consentd init`")
    }
    return Settings(
      listening: listening, connections: connections, database: choice,
      callers: CallerFiles(tokens: tokens, issuers: issuers), masterKeyFile: masterKeyFile,
      logKeyFile: logKeyFile, seenFile: seenFile ?? choice.seenFile, acceptsHistory: acceptHistory,
      organizations: organizations, testClock: testClock, lanes: lanes,
      indexedImages: indexedImages, loops: loops)
  }
}

/// Everything the program is told at its start.
struct Settings {
  var listening: Listening
  var connections: ConnectionOptions
  var database: DatabaseOptions.Choice
  var callers: CallerFiles
  var masterKeyFile: String?
  var logKeyFile: String?
  var seenFile: String?
  var acceptsHistory: Bool
  var organizations: String?
  var testClock: String?
  var lanes: Int
  var indexedImages: Int
  var loops: Int
}
