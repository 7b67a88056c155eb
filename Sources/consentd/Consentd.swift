import ArgumentParser

@main
struct Consentd: AsyncParsableCommand {
  static let version = "0.1.0"

  static let configuration = CommandConfiguration(
    commandName: "consentd",
    abstract:
      "Answers whether a medical image may be used: consent and authorization, in real time.",
    version: version,
    subcommands: [Serve.self, Migrate.self, Init.self, Database.self],
    defaultSubcommand: Serve.self)
}
