import ConsentCore
import ConsentServer
import ConsentStore
import EventFeed

/// Asks the database now and then what only it knows, for metrics: no scrape waits for it.
struct DatabaseLook: Sendable {
  let store: PostgresConsentStore
  let metrics: Metrics
  var interval = Duration.seconds(15)

  func run() async {
    while !Task.isCancelled {
      metrics.looked(try? await store.vitals())
      if let heads = try? await StoreFeedSource(store: store).publishableHeads(nil) {
        metrics.compared(withHeads: heads.compactMapValues { try? $0.get().position })
      }
      try? await Task.sleep(for: interval)
    }
  }
}
