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
      """)

  @Flag(help: "Shows a permit, a deny with its reason, a revocation and its event.")
  var tour = false
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
        try await server.connected(as: .checker) { checker in
          try await Tour(recorder: recorder, checker: checker).show()
        }
      }
    }
  }
}
