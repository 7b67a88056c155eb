import ConsentCore
import ConsentServer
import ConsentStore
import EventFeed
import Logging

/// Makes the worker behind the look-up of decisions, and tells in the log when it fails.
enum LookupSetup {
  static func worker(
    _ store: PostgresConsentStore, _ clock: any FeedClock, _ metrics: Metrics
  ) -> LookupWorker {
    let logger = Logger(label: "consentd.lookup")
    return LookupWorker(
      lookup: store, organizations: { try await store.organizations().map(\.id) }, clock: clock
    ) { report in
      metrics.count(report)
      guard case .failed(let organization, let error) = report else { return }
      // What the store says of its failures holds no data; of anything else the type is told.
      let why = (error as? StoreError).map { "\($0)" } ?? "\(type(of: error))"
      logger.warning(
        "decisions are not looked up; reports read the log meanwhile",
        metadata: ["organization": "\(organization.map(\.description) ?? "any")", "why": "\(why)"])
    }
  }
}
