internal import ConsentCore
internal import ConsentStore
internal import Synchronization

// Readings: what the index lacks, for all who wait for it at once, one reading at a time.
extension OrganizationChecker {
  private enum Reading {
    case facts([CheckCall])
    case feed
    case first
  }

  /// The most images read at once.
  private static let readingLimit = 2_000

  func readings() async {
    while let reading = nextReading() {
      switch reading {
      case .facts(let calls): await read(for: calls)
      case .feed: await readFeed()
      case .first: await readFirstHead()
      }
    }
  }

  private func nextReading() -> Reading? {
    state.withLock { state in
      if !state.lacking.isEmpty {
        var images = 0
        var count = 0
        for call in state.lacking {
          if count > 0, images + call.images.count > Self.readingLimit { break }
          images += call.images.count
          count += 1
        }
        let calls = Array(state.lacking.prefix(count))
        state.lacking.removeFirst(count)
        state.index.beginReading()
        return .facts(calls)
      }
      if state.looksAhead, state.index.applied != nil {
        state.looksAhead = false
        state.index.beginReading()
        return .feed
      }
      if state.waitingForFirst != nil {
        state.index.beginReading()
        return .first
      }
      state.looksAhead = false
      state.isReading = false
      return nil
    }
  }

  /// Reads the facts of the calls' images in one snapshot, begun after all of them had arrived.
  private func read(for calls: [CheckCall]) async {
    let calls = calls.filter { !$0.isOver }
    guard !calls.isEmpty else { return state.withLock { $0.index.abandonReading() } }
    var seen: Set<ImageKey> = []
    var wanted = FactFill.Wanted()
    for call in calls {
      for image in call.images where seen.insert(image).inserted { wanted.images.append(image) }
      wanted.identifiers += call.identifiers
      if call.atLeast > 0 { wanted.positions.insert(call.atLeast) }
    }
    wanted.identifiers = Array(Set(wanted.identifiers))
    guard let fill = await read(wanted, for: calls) else { return }
    // Those who came meanwhile and find their facts now go to the next batch.
    let found = state.withLock { state -> [CheckCall] in
      state.read.append(ReadGroup(calls: calls, fill: fill))
      guard let head = state.index.applied else { return [] }
      let found = state.lacking.filter { state.index.found(for: $0, at: head) != nil }
      if !found.isEmpty {
        state.lacking.removeAll { call in found.contains { $0 === call } }
      }
      return found
    }
    put(found, lacking: false)
    wakeBatches()
  }

  private func readFeed() async { _ = await read(FactFill.Wanted(), for: []) }

  private func readFirstHead() async {
    await readFeed()
    state.withLock { state in
      defer { state.waitingForFirst = nil }
      return state.waitingForFirst
    }?.resume()
  }

  /// - Returns: `nil` if it failed; the calls then have their answer.
  private func read(_ wanted: FactFill.Wanted, for calls: [CheckCall]) async -> FactFill? {
    do {
      let (applied, survivors) = state.withLock {
        ($0.index.applied, Set($0.index.unsettled.merges.keys))
      }
      var wanted = wanted
      wanted.survivors = survivors
      let fill = try await store.read(organization) { [wanted] reader in
        try FactFill(wanted, after: applied, in: reader)
      }
      let isReplaced = state.withLock { state in
        guard state.stopped == nil else { return false }
        state.index.install(fill)
        return applied != nil && fill.isOfNewHistory
      }
      if isReplaced { report(.historyReplaced(organization)) }
      return fill
    } catch {
      state.withLock { $0.index.abandonReading() }
      failed(calls, error)
      return nil
    }
  }
}
