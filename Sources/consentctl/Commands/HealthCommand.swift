import ArgumentParser
import Foundation

struct HealthCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "health",
    abstract: "Asks whether the service answers; needs no token.",
    discussion: "Example:\n  consentctl health --wait 60")

  @Option(help: "Keep asking for so many seconds until it serves.") var wait: Int = 0
  @OptionGroup var server: ServerOptions

  func run() async throws {
    try await reporting {
      let endpoint = try server.endpoint()
      let deadline = ContinuousClock.now + .seconds(max(0, wait))
      while true {
        if (try? await Connection.isServing(endpoint)) == true {
          return print(server.json ? #"{"status":"SERVING"}"# : "serving")
        }
        guard ContinuousClock.now < deadline else {
          throw CommandFailure.unavailable("\(endpoint.host):\(endpoint.port) does not serve")
        }
        try await Task.sleep(for: .milliseconds(100))
      }
    }
  }
}
