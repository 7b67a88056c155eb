import ArgumentParser
import ProofLog

struct Init: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Make key files, readable by their owner only.",
    discussion: """
      The master key opens demographics: keep a copy apart from the database's backups. The log \
      key signs the roots of the decision logs: keep it where the database's administrators cannot \
      read it, and give its verifier key to auditors.
      """)

  @Option(
    help: ArgumentHelp("Where to write a master key. It must not exist.", valueName: "file"))
  var masterKeyFile: String?

  @Option(help: ArgumentHelp("Where to write a log key. It must not exist.", valueName: "file"))
  var logKeyFile: String?

  @Option(
    help: ArgumentHelp(
      "The name of the log key, such as this service's host; it stands in every signature.",
      valueName: "name"))
  var logKeyName = LogKey.defaultName

  func run() async throws {
    do throws(StartFailure) {
      guard masterKeyFile != nil || logKeyFile != nil else {
        throw StartFailure(.usage, "give --master-key-file FILE, --log-key-file FILE or both")
      }
      if let masterKeyFile {
        try MasterKey.random().write(to: masterKeyFile)
        print(
          "\(masterKeyFile) holds a new master key; keep a copy apart from the database's backups")
      }
      if let logKeyFile {
        let key = try LogKey.create(logKeyFile, name: logKeyName)
        print("\(logKeyFile) holds a new log key; its verifier key is\n\(key.text)")
      }
    } catch {
      throw error.exit
    }
  }
}
