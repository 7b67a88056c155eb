import ConsentCore
import ConsentStore
import Logging
import Synchronization

/// Keeps a node's `SeenHistory` in its file while it runs, at most a second behind.
final class HistoryWitness: Sendable {
  private struct State {
    var seen: SeenHistory
    var isWritten = false
  }

  private let path: String
  private let logger: Logger
  private let state: Mutex<State>

  private init(_ path: String, _ seen: SeenHistory, _ logger: Logger) {
    self.path = path
    self.logger = logger
    state = Mutex(State(seen: seen))
  }

  /// Compares the database with what was seen, before anything is served from it.
  ///
  /// - Returns: `nil` if nothing is to be remembered.
  /// - Throws: `StartFailure` if the database is another or an older one and the operator has not
  ///   accepted that: revocations may be lost in it, so a PERMIT would be a guess.
  static func open(
    _ settings: Settings, _ store: PostgresConsentStore, _ logger: Logger
  ) async throws -> HistoryWitness? {
    guard let path = settings.seenFile else {
      logger.warning(
        "no --seen-file: a backup restored while this node is down will not be noticed")
      return nil
    }
    var seen = try SeenHistory.read(path) ?? SeenHistory(cluster: "")
    let isNew = seen.cluster.isEmpty || HistoryMutant.isOn(.trustAnyHistory)
    let differences = isNew ? [] : try await seen.differences(from: store)
    if !differences.isEmpty {
      let all = differences.joined(separator: "; ")
      guard settings.acceptsHistory else {
        throw StartFailure(
          .unavailable,
          "the database does not hold what this node saw in it: \(all). Is it the right one, or was "
            + "a backup restored? Changes may be lost, revocations among them. Record them again "
            + "as soon as it serves; start once with --accept-history to go on with what it holds")
      }
      logger.critical("another history was accepted", metadata: ["found": "\(all)"])
      seen.heads = [:]
    }
    seen.cluster = store.systemIdentifier.map(String.init) ?? ""
    let witness = HistoryWitness(path, seen, logger)
    // A file that cannot be written is told of now, and not after the first change.
    try seen.write(path)
    return witness
  }

  /// A head that the feed had, with everything below it committed.
  func saw(_ organization: OrganizationID, at head: FeedHead) {
    state.withLock { state in
      state.seen.heads[organization.description] = SeenHistory.Head(head)
      state.isWritten = false
    }
  }

  /// Writes what is new each second, and once more when the task is cancelled.
  func run() async {
    var isFailing = false
    while true {
      let isLast = Task.isCancelled
      do {
        try write()
        isFailing = false
      } catch {
        if !isFailing {
          logger.error("the history seen is not written", metadata: ["why": "\(error.text)"])
        }
        isFailing = true
      }
      if isLast { return }
      try? await Task.sleep(for: .seconds(1))
    }
  }

  private func write() throws(StartFailure) {
    let new = state.withLock { state in
      defer { state.isWritten = true }
      return state.isWritten ? nil : state.seen
    }
    guard let new else { return }
    do {
      try new.write(path)
    } catch {
      state.withLock { $0.isWritten = false }
      throw error
    }
  }
}
