import ConsentCore
import ConsentStore
import Logging

/// Closes the logs of nodes that died, at the start and then every half minute.
struct DeadLogs: Sendable {
  let store: PostgresConsentStore
  var interval = Duration.seconds(30)
  private let logger = Logger(label: "consentd.log")

  init(store: PostgresConsentStore) { self.store = store }

  func run() async {
    var refused: Set<ID<DecisionLog>> = []
    while !Task.isCancelled {
      do {
        for organization in try await store.organizations().map(\.id) {
          tell(try await store.closeDeadLogs(of: organization), organization, &refused)
        }
      } catch {
        // Found again at the next look; what the store says of its failures holds no data.
        let why = (error as? StoreError).map { "\($0)" } ?? "\(type(of: error))"
        logger.warning("logs of dead nodes are not closed", metadata: ["why": "\(why)"])
      }
      try? await Task.sleep(for: interval)
    }
  }

  private func tell(
    _ closings: LogClosings, _ organization: OrganizationID, _ refused: inout Set<ID<DecisionLog>>
  ) {
    for log in closings.closed {
      logger.notice(
        "the log of a node that died is closed",
        metadata: ["organization": "\(organization)", "log": "\(log)"])
    }
    for log in closings.refused where refused.insert(log).inserted {
      logger.critical(
        "a log of a node that died is not what was stored or signed of it; export and verify it",
        metadata: ["organization": "\(organization)", "log": "\(log)"])
    }
  }
}
