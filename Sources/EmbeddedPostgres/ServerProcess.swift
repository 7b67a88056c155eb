internal import Foundation
internal import Glibc

/// A process we started, or one that was there before us.
struct ServerProcess: Sendable, Equatable {
  let id: pid_t
  /// Whether it is our child, so that its end is ours to collect.
  let isChild: Bool
  /// In ticks since boot. It tells a process from a later one with the same number.
  private let startTicks: UInt64

  /// A process that runs already; `nil` when there is none with this number.
  init?(running id: pid_t) {
    guard id > 1, let ticks = Self.startTicks(of: id) else { return nil }
    self.id = id
    isChild = false
    startTicks = ticks
  }

  private init(child id: pid_t) {
    self.init(id: id, isChild: true, startTicks: Self.startTicks(of: id) ?? 0)
  }

  init(id: pid_t, isChild: Bool, startTicks: UInt64) {
    self.id = id
    self.isChild = isChild
    self.startTicks = startTicks
  }

  /// Starts a program as `account`, in a session of its own, so that Ctrl-C at our terminal does not
  /// reach it, with no open file of ours and default signals.
  /// - Parameters:
  ///   - output: the file that takes both of its outputs.
  ///   - endsWithParent: whether it is to get SIGINT when our thread ends.
  static func start(
    _ command: [String], as account: ServerAccount, in folder: String, output: String,
    endsWithParent: Bool = false
  ) throws(EmbeddedPostgresError) -> ServerProcess {
    let arguments = launcher(account, folder, endsWithParent: endsWithParent) + command
    var attributes = posix_spawnattr_t()
    var actions = unsafe posix_spawn_file_actions_t()
    unsafe posix_spawnattr_init(&attributes)
    unsafe posix_spawn_file_actions_init(&actions)
    defer {
      unsafe posix_spawnattr_destroy(&attributes)
      unsafe posix_spawn_file_actions_destroy(&actions)
    }
    var signals = sigset_t()
    unsafe sigemptyset(&signals)
    unsafe posix_spawnattr_setsigmask(&attributes, &signals)
    unsafe sigfillset(&signals)
    unsafe posix_spawnattr_setsigdefault(&attributes, &signals)
    let flags = Int32(POSIX_SPAWN_SETSIGMASK) | Int32(POSIX_SPAWN_SETSIGDEF) | newSession
    unsafe posix_spawnattr_setflags(&attributes, Int16(flags))
    unsafe posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0)
    let mode = O_WRONLY | O_CREAT | O_TRUNC
    unsafe posix_spawn_file_actions_addopen(&actions, 1, output, mode, 0o600)
    unsafe posix_spawn_file_actions_adddup2(&actions, 1, 2)
    for descriptor in openDescriptors() {
      unsafe posix_spawn_file_actions_addclose(&actions, descriptor)
    }
    let environment = ["PATH=/usr/bin:/bin", "LC_ALL=C"]
    var id = pid_t()
    let code = unsafe withArguments(arguments) { argv in
      unsafe withArguments(environment) { envp in
        unsafe posix_spawn(&id, arguments[0], &actions, &attributes, argv, envp)
      }
    }
    guard code == 0 else {
      errno = code
      throw Files.failure("start", arguments[0])
    }
    return ServerProcess(child: id)
  }

  /// POSIX_SPAWN_SETSID of glibc, which its headers show to GNU programs only.
  private static let newSession: Int32 = 0x80

  /// Ours, but for the three standard ones. Most are closed on exec anyway.
  private static func openDescriptors() -> [Int32] {
    Files.names(in: "/proc/self/fd").compactMap { Int32($0) }.filter { $0 > 2 }
  }

  /// What posix_spawn cannot do: enter a folder and change the user. env (coreutils) and setpriv
  /// (util-linux), essential in Debian, do it and then become the program, which stays our child.
  private static func launcher(
    _ account: ServerAccount, _ folder: String, endsWithParent: Bool
  ) -> [String] {
    var words = ["/usr/bin/env", "--chdir=\(folder)"]
    guard account.isSwitched || endsWithParent else { return words }
    words.append("/usr/bin/setpriv")
    if account.isSwitched {
      words += ["--reuid=\(account.user)", "--regid=\(account.group)", "--init-groups"]
    }
    if endsWithParent { words.append("--pdeathsig=INT") }
    return words
  }

  /// Whether it still runs. The end of a child is collected here.
  func isAlive() -> Bool {
    if isChild {
      var status: Int32 = 0
      return unsafe waitpid(id, &status, WNOHANG) == 0
    }
    return Self.startTicks(of: id) == startTicks
  }

  /// Waits for the end of a child.
  /// - Returns: its exit code; -1 after a signal.
  func waitForExit() -> Int32 {
    var status: Int32 = 0
    while unsafe waitpid(id, &status, 0) < 0 && errno == EINTR {}
    return status & 0x7F == 0 ? (status >> 8) & 0xFF : -1
  }

  /// Sends a signal, but not to a later process that has got the same number.
  func send(_ signal: Int32) {
    guard isAlive() else { return }
    kill(id, signal)
  }

  /// The folder it works in. PostgreSQL's processes work in their data folder.
  static func workingFolder(of id: pid_t) -> String? { Files.linkTarget("/proc/\(id)/cwd") }

  /// All processes that work in `folder`.
  static func working(in folder: String) -> [pid_t] {
    Files.names(in: "/proc").compactMap { pid_t($0) }.filter { workingFolder(of: $0) == folder }
  }

  /// The 22nd field of /proc/[pid]/stat (proc(5)); `nil` when the process is gone or only its exit
  /// code is left.
  private static func startTicks(of id: pid_t) -> UInt64? {
    guard let text = Files.text("/proc/\(id)/stat"), let end = text.lastIndex(of: ")") else {
      return nil
    }
    // The second field is a name in parentheses, which may itself hold spaces and parentheses.
    let fields = text[text.index(after: end)...].split(separator: " ")
    guard fields.count > 19, fields[0] != "Z" else { return nil }
    return UInt64(fields[19])
  }
}

/// Lends an array of C strings that ends with a null pointer.
@unsafe private func withArguments<Result>(
  _ strings: [String], _ body: ([UnsafeMutablePointer<CChar>?]) -> Result
) -> Result {
  let copies = unsafe strings.map { unsafe strdup($0) } + [nil]
  defer { unsafe copies.forEach { unsafe free($0) } }
  return unsafe body(copies)
}
