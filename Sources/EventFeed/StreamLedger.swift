internal import ConsentCore
internal import Synchronization

/// How many streams are open, so that rows are held only for feeds that somebody watches.
final class StreamLedger: Sendable {
  private struct Counts {
    var total = 0
    var byOrganization: [OrganizationID: Int] = [:]
  }

  private let counts = Mutex(Counts())
  private let maximum: Int

  init(maximum: Int) { self.maximum = maximum }

  func open(_ organization: OrganizationID) throws(WatchError) -> StreamLease {
    let isOpen = counts.withLock { counts in
      guard counts.total < maximum else { return false }
      counts.total += 1
      counts.byOrganization[organization, default: 0] += 1
      return true
    }
    guard isOpen else { throw .tooManyStreams }
    return StreamLease(ledger: self, organization: organization)
  }

  func isWatched(_ organization: OrganizationID) -> Bool {
    counts.withLock { $0.byOrganization[organization] != nil }
  }

  var total: Int { counts.withLock { $0.total } }

  fileprivate func close(_ organization: OrganizationID) {
    counts.withLock { counts in
      counts.total -= 1
      guard let open = counts.byOrganization[organization] else { return }
      counts.byOrganization[organization] = open > 1 ? open - 1 : nil
    }
  }
}

/// Held by a stream for as long as it lives, however it ends.
final class StreamLease: Sendable {
  private let ledger: StreamLedger
  private let organization: OrganizationID

  fileprivate init(ledger: StreamLedger, organization: OrganizationID) {
    self.ledger = ledger
    self.organization = organization
  }

  deinit { ledger.close(organization) }
}
