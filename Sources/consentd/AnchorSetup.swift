import ConsentCore
import ConsentServer
import ConsentStore
import EventFeed
import Logging

/// Makes what puts the heads of feeds into the log, and tells in this program's log when it fails.
enum AnchorSetup {
  static func anchors(
    _ store: PostgresConsentStore, of organizations: [OrganizationID], _ clock: any FeedClock,
    _ metrics: Metrics
  ) -> FeedAnchors {
    let logger = Logger(label: "consentd.log")
    return FeedAnchors(
      of: organizations, clock: clock, anchor: { try await store.anchorFeed(of: $0) }
    ) { report in
      metrics.count(anchor: report)
      guard case .failed(let organization, let error) = report else { return }
      // What the store says of its failures holds no data; of anything else the type is told.
      let why = (error as? StoreError).map { "\($0)" } ?? "\(type(of: error))"
      logger.warning(
        "the head of a feed is not in the log yet",
        metadata: ["organization": "\(organization)", "why": "\(why)"])
    }
  }
}
