import ArgumentParser
import Foundation
import NIOCore
import NIOPosix

/// What `ops/run` needs, so that it is not written in shell.
struct DevSetupCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "dev-setup",
    abstract: "Makes an organization, a token per role and dev.env in a folder, once.",
    shouldDisplay: false)

  @Option var directory: String
  @Option var url: String
  /// The authority of an https URL.
  @Option var ca: String?

  static let organization = "7c9a3f6e-2b41-4c58-9d0e-5f1a2b3c4d5e"

  func run() async throws {
    try await reporting {
      let folder = URL(fileURLWithPath: directory)
      let environment = folder.appendingPathComponent("dev.env").path
      let organizations = folder.appendingPathComponent("organizations.json").path
      if !FileManager.default.fileExists(atPath: organizations) {
        let text = """
          {"organizations":[{"id":"\(Self.organization)","name":"Sample Hospital",\
          "time_zone":"America/Chicago"}]}

          """
        try Files.write(Data(text.utf8), to: organizations, mode: 0o600)
      }
      var lines: [String] = []
      if let old = try? String(contentsOfFile: environment, encoding: .utf8) {
        lines = old.split(separator: "\n").map(String.init).filter { $0.contains("_TOKEN=") }
      }
      if lines.isEmpty {
        let made = try ["checker", "recorder", "reporter", "auditor", "administrator"].map { role in
          (
            role,
            try TokenFileEntry.make(
              name: "dev-\(role)", organization: Self.organization, roles: [role], part2: false)
          )
        }
        try TokenFileEntry.add(
          made.map(\.1.entry), to: folder.appendingPathComponent("tokens.json").path)
        lines = made.map { "CONSENTD_\($0.0.uppercased())_TOKEN=\($0.1.token)" }
      }
      let trust = ca.map { ["CONSENTD_CA=\($0)"] } ?? []
      let text = (["CONSENTD_URL=\(url)"] + trust + lines).joined(separator: "\n") + "\n"
      try Files.write(Data(text.utf8), to: environment, mode: 0o600)
    }
  }
}

struct FreePortCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "free-port",
    abstract: "Prints a loopback port that is free now, the first of as many as asked for.",
    shouldDisplay: false)

  @Option(help: "So many consecutive ports.") var count = 1

  func run() async throws {
    try await reporting {
      let bootstrap = ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
      for _ in 0..<100 {
        var channels = [try await bootstrap.bind(host: "127.0.0.1", port: 0).get()]
        let first = channels[0].localAddress?.port ?? 0
        while channels.count < count, first + channels.count <= 65_535,
          let next = try? await bootstrap.bind(host: "127.0.0.1", port: first + channels.count)
            .get()
        { channels.append(next) }
        for channel in channels { try await channel.close() }
        if channels.count >= count { return print(first) }
      }
      throw CommandFailure.unavailable("no \(count) consecutive ports are free")
    }
  }
}
