import ArgumentParser
import RPCServer

/// How long connections live and how many there may be. What is not given stays as the server has
/// it.
struct ConnectionOptions: ParsableArguments {
  @Option(help: ArgumentHelp("Connections at most, in all.", valueName: "n"))
  var maxConnections = 10_000

  @Option(help: ArgumentHelp("Connections at most from one address.", valueName: "n"))
  var maxConnectionsPerAddress = 1_000

  @Option(
    help: ArgumentHelp(
      "Ask a connection to go after this time, ±10 %, such as 30m. Default: never.",
      valueName: "time"))
  var maxConnectionAge: Time?

  @Option(
    help: ArgumentHelp(
      "Ask a connection without calls to go after this time. Default: never.", valueName: "time"))
  var maxConnectionIdle: Time?

  @Option(
    help: ArgumentHelp("Ping a connection that was silent so long.", valueName: "time"))
  var keepaliveInterval = Time(seconds: 7_200)

  @Option(help: ArgumentHelp("Close one that does not answer a ping.", valueName: "time"))
  var keepaliveTimeout = Time(seconds: 20)

  @Option(
    help: ArgumentHelp(
      "Clients that ping more often, while they have calls, are sent away.", valueName: "time"))
  var minPingInterval = Time(seconds: 300)

  @Flag(help: "Let clients ping as often without calls; else once in 2 h.")
  var permitPingsWithoutCalls = false

  @Option(
    help: ArgumentHelp(
      "A web origin that may call from a browser, compared exactly; may be repeated.",
      valueName: "origin"))
  var corsOrigin: [String] = []

  @Option(help: ArgumentHelp("Calls in flight get so long to end at SIGTERM.", valueName: "time"))
  var drainGrace = Time(seconds: 30)

  func check() throws(StartFailure) {
    guard (1...1_000_000).contains(maxConnections),
      (1...1_000_000).contains(maxConnectionsPerAddress)
    else {
      throw StartFailure(
        .usage, "--max-connections and --max-connections-per-address are 1 to 1000000")
    }
    for origin in corsOrigin {
      // An origin is a scheme, a host and perhaps a port (RFC 6454 §7); browsers send no more.
      let parts = origin.split(separator: "/", omittingEmptySubsequences: false)
      guard parts.count == 3, parts[0] == "https:" || parts[0] == "http:", parts[1].isEmpty,
        !parts[2].isEmpty, !origin.contains("*")
      else {
        throw StartFailure(
          .usage, "--cors-origin \(origin) is not of the form https://host[:port], without a path")
      }
    }
  }

  func apply(to configuration: inout RPCServerConfiguration) {
    configuration.limits.connections = maxConnections
    configuration.limits.connectionsPerAddress = maxConnectionsPerAddress
    configuration.timers.maximumConnectionAge = maxConnectionAge?.milliseconds
    configuration.timers.maximumConnectionIdle = maxConnectionIdle?.milliseconds
    configuration.keepalive.pingAfterSilence = keepaliveInterval.milliseconds
    configuration.keepalive.pingTimeout = keepaliveTimeout.milliseconds
    configuration.keepalive.minimumPingInterval = minPingInterval.milliseconds
    configuration.keepalive.permitWithoutCalls = permitPingsWithoutCalls
    configuration.corsOrigins = corsOrigin
  }
}

/// A length of time as an operator writes it: `90`, `90s`, `30m`, `2h`; at most 30 days.
struct Time: ExpressibleByArgument, Equatable {
  var seconds: Int64

  init(seconds: Int64) { self.seconds = seconds }

  init?(argument: String) {
    let units: [Character: Int64] = ["s": 1, "m": 60, "h": 3_600]
    let unit = argument.last.flatMap { units[$0] }
    guard let number = Int64(unit == nil ? argument[...] : argument.dropLast()),
      (1...2_592_000).contains(number), number * (unit ?? 1) <= 2_592_000
    else { return nil }
    seconds = number * (unit ?? 1)
  }

  var defaultValueDescription: String { "\(seconds)s" }
  var milliseconds: Int64 { seconds * 1_000 }
}
