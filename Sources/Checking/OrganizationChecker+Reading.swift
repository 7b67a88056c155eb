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
        index.withLock { $0.beginReading() }
        return .facts(calls)
      }
      if state.looksAhead, index.withLock({ $0.applied }) != nil {
        state.looksAhead = false
        index.withLock { $0.beginReading() }
        return .feed
      }
      if state.waitingForFirst != nil {
        index.withLock { $0.beginReading() }
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
    guard !calls.isEmpty else { return index.withLock { $0.abandonReading() } }
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
      guard !state.lacking.isEmpty else { return [] }
      let found = index.withLock { index in
        guard let head = index.applied else { return [CheckCall]() }
        return state.lacking.filter { index.found(for: $0, at: head) != nil }
      }
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
      let (applied, survivors) = index.withLock {
        ($0.applied, Set($0.unsettled.merges.keys))
      }
      var wanted = wanted
      wanted.survivors = survivors
      let fill = try await store.read(organization) { [wanted] reader in
        try FactFill(wanted, after: applied, in: reader)
      }
      let isReplaced = unlessStopped { index in
        index.install(fill)
        return applied != nil && fill.isOfNewHistory
      }
      if isReplaced ?? false { report(.historyReplaced(organization)) }
      return fill
    } catch {
      index.withLock { $0.abandonReading() }
      failed(calls, error)
      return nil
    }
  }
}
