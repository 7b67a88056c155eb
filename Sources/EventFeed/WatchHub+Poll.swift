internal import ConsentCore
internal import ConsentStore

extension WatchHub {
  func pollOnce(_ organizations: [OrganizationID]?) async -> Bool {
    let began = (wall: clock.now(), uptime: clock.uptime())
    guard let heads = try? await source.publishableHeads(organizations) else {
      for organization in organizations ?? Array(feeds.keys) { giveUpIfStale(organization) }
      return false
    }
    for (organization, head) in heads {
      do {
        try await advance(organization, to: head.get(), readAt: began.wall, uptime: began.uptime)
        wakeForHeartbeats(organization)
      } catch {
        giveUpIfStale(organization)
      }
    }
    return true
  }

  /// Brings the tail up to `head`, in pages, and wakes the streams that wait for rows.
  private func advance(
    _ organization: OrganizationID, to head: FeedHead, readAt: Instant, uptime: Int64
  ) async throws {
    guard var feed = feeds[organization] else {
      feeds[organization] = FollowedFeed(
        tail: FeedTail(at: head, capacity: configuration.rowsHeld), readAt: readAt,
        readUptime: uptime)
      advanced(organization, head)
      return
    }
    let before = feed.tail.end
    let isReplaced = try await !extend(&feed.tail, of: organization, to: head)
    if isReplaced {
      feed.tail = FeedTail(at: head, capacity: configuration.rowsHeld)
      feed.generation += 1
    }
    // Waiters came and went during the reads; everything else belongs to this poll alone.
    feed.waiters = feeds[organization]?.waiters ?? [:]
    feed.readAt = readAt
    feed.readUptime = uptime
    feeds[organization] = feed
    guard feed.tail.end != before else { return }
    resumeWaiters(of: organization, .changed) { _ in true }
    advanced(organization, head)
  }

  /// - Returns: false if the feed's history is not the one `tail` has followed.
  private func extend(
    _ tail: inout FeedTail, of organization: OrganizationID, to head: FeedHead
  ) async throws -> Bool {
    guard head.position >= tail.end.position else { return false }
    if head.position - tail.end.position > UInt64(configuration.rowsHeld)
      || !ledger.isWatched(organization)
    {
      // Streams in between read the store, and compare their own cursor there.
      if head.position > tail.end.position { tail.skip(to: head) }
      tail.forgetRows()
      return tail.end == WatchCursor(head)
    }
    while tail.end.position < head.position {
      let page = try await source.page(
        organization, after: tail.end.position, limit: configuration.rowsPerPage)
      guard page.start?.chain == tail.end.chain else { return false }
      let rows = page.rows.filter { $0.position <= head.position }
      guard !rows.isEmpty, tail.append(rows) else {
        throw StoreError.unreadable("feed has a gap after position \(tail.end.position)")
      }
    }
    return tail.end.chain == head.chain
  }

  private func wakeForHeartbeats(_ organization: OrganizationID) {
    guard let waiters = feeds[organization]?.waiters else { return }
    let now = clock.uptime()
    resumeWaiters(of: organization, .heartbeat) { number in
      waiters[number].map { $0.heartbeatDue <= now } ?? false
    }
  }

  /// Heartbeats stop as soon as a feed cannot be read; after a while its streams end, so that
  /// watchers try another node.
  private func giveUpIfStale(_ organization: OrganizationID) {
    guard let feed = feeds[organization] else { return }
    let silent = clock.uptime() - feed.readUptime
    guard silent >= configuration.unavailableAfterMicroseconds else { return }
    resumeWaiters(of: organization, .unavailable) { _ in true }
  }
}
