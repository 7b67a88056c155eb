import ArgumentParser

struct Init: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Make a master key file, readable by its owner only.")

  @Option(help: ArgumentHelp("Where to write the key. It must not exist.", valueName: "file"))
  var masterKeyFile: String

  func run() async throws {
    do throws(StartFailure) {
      try MasterKey.random().write(to: masterKeyFile)
    } catch {
      throw error.exit
    }
    print("\(masterKeyFile) holds a new master key; keep a copy apart from the database's backups")
  }
}
