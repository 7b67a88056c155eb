import ArgumentParser
import ConsentServer
import Logging

struct Serve: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Serve gRPC, gRPC-Web and Connect.",
    discussion: """
      SIGTERM or Ctrl-C ends it in good order: health turns NOT_SERVING, calls in flight finish \
      within 30 s, then the database is let go. A second signal cuts calls off.
      """)

  @Option(
    help: ArgumentHelp("Address to listen on; port 0 takes a free one.", valueName: "host:port"))
  var listen = "127.0.0.1:8080"

  @OptionGroup var database: DatabaseOptions

  @Option(help: ArgumentHelp("Bearer tokens, as SHA-256, with their roles.", valueName: "file"))
  var tokens: String

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
    help: ArgumentHelp("Organizations to create if they are not there yet.", valueName: "file"))
  var organizations: String?

  @Option(
    help: ArgumentHelp(
      "Take the time from this file at every look, for tests; embedded databases only.",
      valueName: "file"))
  var testClock: String?

  @Option(help: "Connections to the database for reading; half as many for writing and deciding.")
  var lanes = 4

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

  func run() async throws {
    let level = logLevel
    LoggingSystem.bootstrap { StderrLog(label: $0, logLevel: level) }
    do {
      let signals = Signals()
      let running = try await Running.start(try settings())
      await running.untilEnded(by: signals)
    } catch {
      throw StartFailure(error).exit
    }
  }

  func settings() throws(StartFailure) -> Settings {
    let choice = try database.choice()
    let (host, port) = try address()
    guard (1...64).contains(lanes), (1...256).contains(loops) else {
      throw StartFailure(.usage, "--lanes is 1 to 64 and --loops 1 to 256")
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
      host: host, port: port, database: choice, tokens: tokens, masterKeyFile: masterKeyFile,
      logKeyFile: logKeyFile, organizations: organizations, testClock: testClock, lanes: lanes,
      loops: loops)
  }

  /// `host:port`, `[v6]:port`. Bearer tokens must not cross a network in the clear.
  private func address() throws(StartFailure) -> (String, Int) {
    guard let colon = listen.lastIndex(of: ":"),
      let port = Int(listen[listen.index(after: colon)...]),
      (0...65_535).contains(port)
    else { throw StartFailure(.usage, "--listen is HOST:PORT, such as 127.0.0.1:8080") }
    let host = listen[..<colon].trimmingPrefix("[").trimmingSuffix("]")
    guard host == "127.0.0.1" || host == "::1" || host == "localhost" else {
      throw StartFailure(
        .usage, "--listen takes a loopback address: put a TLS proxy before it for other machines")
    }
    return (host, port)
  }
}

extension StringProtocol {
  fileprivate func trimmingSuffix(_ suffix: String) -> String {
    hasSuffix(suffix) ? String(dropLast(suffix.count)) : String(self)
  }
}

/// Everything the program is told at its start.
struct Settings {
  var host: String
  var port: Int
  var database: DatabaseOptions.Choice
  var tokens: String
  var masterKeyFile: String?
  var logKeyFile: String?
  var organizations: String?
  var testClock: String?
  var lanes: Int
  var loops: Int
}
