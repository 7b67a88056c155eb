internal import Glibc
internal import Postgres

/// A database cluster in a folder: made on first use, started, found again, stopped.
struct Cluster: Sendable {
  let layout: ClusterLayout
  let account: ServerAccount
  let binaries: ServerBinaries
  let options: EmbeddedPostgres.Options
  let superuserPassword: String

  /// Makes the folders, and the cluster when there is none. The folder's lock is held.
  init(
    layout: ClusterLayout, account: ServerAccount, options: EmbeddedPostgres.Options,
    log: (String) -> Void
  ) throws(EmbeddedPostgresError) {
    self.layout = layout
    self.account = account
    self.options = options
    let dataVersion = try Self.dataVersion(layout)
    binaries = try ServerBinaries.select(
      dataVersion: dataVersion, layout: layout, from: ServerBinaries.installed())
    try Files.makePrivateFolder(layout.socketFolder, for: account)
    try Files.makePrivateFolder(layout.log, for: account)
    superuserPassword = try Self.password(layout, account, hasData: dataVersion != nil)
    if dataVersion == nil {
      log("creating a PostgreSQL \(binaries.version) cluster in \(layout.data)")
      try create()
    }
  }

  /// The major version that wrote the data, `nil` when there are none.
  private static func dataVersion(
    _ layout: ClusterLayout
  ) throws(EmbeddedPostgresError) -> Int? {
    guard Files.exists(layout.data) else { return nil }
    guard let text = Files.text(layout.versionFile),
      let version = Int(text.prefix(while: \.isNumber))
    else {
      throw EmbeddedPostgresError(
        .badDirectory,
        "\(layout.data) is not a PostgreSQL data folder: move it away, or use another folder")
    }
    return version
  }

  /// The password of the superuser, in a file that only the account may read.
  private static func password(
    _ layout: ClusterLayout, _ account: ServerAccount, hasData: Bool
  ) throws(EmbeddedPostgresError) -> String {
    if let password = Files.text(layout.superuserPassword), !password.isEmpty { return password }
    guard !hasData else {
      throw EmbeddedPostgresError(
        .badDirectory,
        "\(layout.superuserPassword) is missing or not readable: restore it from the backup, "
          + "or start PostgreSQL by hand and set a new password for the role postgres")
    }
    var random = SystemRandomNumberGenerator()
    let digits = Array("0123456789abcdef")
    let password = String((0..<64).map { _ in digits[Int(random.next() & 15)] })
    try Files.writePrivate(password, to: layout.superuserPassword, for: account)
    return password
  }

  private func create() throws(EmbeddedPostgresError) {
    try Files.removeTree(layout.unfinishedData)
    try Files.makePrivateFolder(layout.unfinishedData, for: account)
    var command = [
      binaries.initdb, "--pgdata=\(layout.unfinishedData)", "--username=postgres",
      "--pwfile=\(layout.superuserPassword)", "--auth-local=scram-sha-256",
      "--auth-host=scram-sha-256", "--data-checksums", "--encoding=UTF8", "--locale=C",
    ]
    if options.isTemporary { command.append("--no-sync") }
    let output = layout.log + "/initdb.log"
    let initdb = try ServerProcess.start(command, as: account, in: layout.root, output: output)
    let code = initdb.waitForExit()
    guard code == 0 else {
      throw EmbeddedPostgresError(
        .startFailed, "initdb failed with code \(code): \(Self.lastLines(output))")
    }
    try Files.rename(layout.unfinishedData, to: layout.data)
  }

  /// Starts the server. It is not ready yet.
  func start() throws(EmbeddedPostgresError) -> ServerProcess {
    var command = [binaries.postgres, "-D", layout.data]
    for (name, value) in options.settings + requiredSettings {
      command += ["-c", "\(name)=\(value)"]
    }
    return try ServerProcess.start(
      command, as: account, in: layout.root, output: layout.startLog,
      endsWithParent: options.isTemporary)
  }

  /// On the command line, where no file and no ALTER SYSTEM overrides them.
  private var requiredSettings: [(String, String)] {
    let folder = layout.socketFolder.split(separator: "\"", omittingEmptySubsequences: false)
      .joined(separator: "\"\"")
    return [
      ("listen_addresses", ""),
      ("unix_socket_directories", "\"\(folder)\""),
      ("unix_socket_permissions", "0700"),
      ("port", "\(ClusterLayout.port)"),
      ("fsync", "on"),
      ("full_page_writes", "on"),
      ("synchronous_commit", "on"),
      ("password_encryption", "scram-sha-256"),
      ("timezone", "UTC"),
      ("log_timezone", "UTC"),
      // A file of its own, because the server may outlive us and our terminal. One for each day of
      // the week, without the parts of messages that repeat data.
      ("logging_collector", "on"),
      ("log_directory", layout.log),
      ("log_filename", "postgresql-%a.log"),
      ("log_truncate_on_rotation", "on"),
      ("log_rotation_age", "1440"),
      ("log_rotation_size", "0"),
      ("log_error_verbosity", "terse"),
      ("log_min_error_statement", "panic"),
      ("log_statement", "none"),
      ("log_parameter_max_length", "0"),
      ("log_parameter_max_length_on_error", "0"),
    ]
  }

  func conninfo(user: String, password: String?, database: String) -> String {
    let password = password ?? (user == "postgres" ? superuserPassword : nil)
    var words = [
      "host=\(Self.quoted(layout.socketFolder))", "port=\(ClusterLayout.port)",
      "user=\(Self.quoted(user))", "dbname=\(Self.quoted(database))",
    ]
    if let password { words.append("password=\(Self.quoted(password))") }
    return words.joined(separator: " ")
  }

  /// A value as libpq reads it (PostgreSQL manual, "Connection Strings").
  private static func quoted(_ text: String) -> String {
    var quoted = "'"
    for character in text {
      if character == "'" || character == "\\" { quoted.append("\\") }
      quoted.append(character)
    }
    return quoted + "'"
  }

  static func lastLines(_ path: String) -> String {
    let lines = (Files.text(path) ?? "").split(separator: "\n").suffix(5)
    return lines.isEmpty ? "see \(path)" : lines.joined(separator: "; ") + " (\(path))"
  }
}
