import ArgumentParser
import ConsentProto

struct WatchCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "watch",
    abstract: "Follows the events: each once, in order, from any position.",
    discussion: """
      Keep the last position and chain that you have dealt with and pass them to go on from there.

      Examples:
        consentctl watch
        consentctl watch --after 1200 --kind grant-expired --kind grant-revoked --json
      """)

  @Option(help: "The last position already dealt with. Default: 0, everything.")
  var after: UInt64 = 0
  @Option(help: "The chain at that position, hexadecimal, to be sure of the same history.")
  var chain: String?
  @Flag(help: "Only what happens from now on.") var fromNow = false
  @Option(help: "Only this kind; may be repeated.") var kind: [String] = []
  @Option(help: "Stop after so many events.") var count: Int?
  @OptionGroup var server: ServerOptions

  func run() async throws {
    try await reporting {
      var request = Consent_V1_WatchRequest()
      request.after.position = after
      if let chain {
        guard let bytes = Keys.chain(chain) else {
          throw CommandFailure.usage("--chain: not hexadecimal")
        }
        request.after.chain = bytes
      }
      request.fromNow = fromNow
      request.filter.kinds = try kind.map { try Words.value($0, field: "--kind") }
      var left = count ?? .max
      guard left > 0 else { return }
      try await server.connected(as: .auditor) { connection in
        try await connection.stream("EventService/Watch", request) {
          (message: Consent_V1_WatchResponse) in
          guard case .event(let event) = message.message else { return true }
          print(server.json ? try event.json() : Self.text(event))
          left -= 1
          return left > 0
        }
      }
    }
  }

  static func text(_ event: Consent_V1_Event) -> String {
    var parts = [
      String(event.position.position), event.effectiveAt.iso8601, Words.word(event.kind),
    ]
    if !event.patientID.isEmpty { parts.append("patient " + event.patientID) }
    if !event.grantIds.isEmpty { parts.append("grants " + event.grantIds.joined(separator: " ")) }
    if !event.images.isEmpty { parts.append("images \(event.images.count)") }
    return parts.joined(separator: "  ")
  }
}
