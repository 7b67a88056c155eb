import ArgumentParser

struct SampleCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "sample",
    abstract: "Loads a small invented register, or shows what the service does.",
    discussion: """
      Loading it again changes nothing. The tour makes a patient of its own each time.

      Examples:
        consentctl sample
        consentctl sample --tour
        consentctl sample --tour --node http://127.0.0.1:8081 --node http://127.0.0.1:8082
      """)

  @Flag(help: "Shows a permit, a deny with its reason, a revocation and its event.")
  var tour = false
  @Option(
    help: ArgumentHelp(
      "A further node of the service, twice at most: the tour checks on the first of them, revokes "
        + "on the last, and records and watches on --url.", valueName: "url"))
  var node: [String] = []
  @OptionGroup var server: ServerOptions

  func run() async throws {
    try await reporting {
      try await server.connected(as: .recorder) { recorder in
        guard tour else {
          let loaded = try await SampleRegister(connection: recorder).load()
          return print(
            loaded
              ? "the sample register is loaded: \(SampleRegister.people.count) patients"
              : "the sample register is there already")
        }
        try await server.connected(as: .checker) { watcher in
          try await connected(as: .checker, to: node.first, or: watcher) { checker in
            try await connected(as: .recorder, to: node.last, or: recorder) { revoker in
              try await Tour(
                recorder: recorder, checker: checker, revoker: revoker, watcher: watcher
              ).show()
            }
          }
        }
      }
    }
  }

  private func connected(
    as role: CallerRole, to url: String?, or first: Connection,
    _ body: (Connection) async throws -> Void
  ) async throws {
    guard let url else { return try await body(first) }
    var other = server
    other.url = url
    try await other.connected(as: role, body)
  }
}
