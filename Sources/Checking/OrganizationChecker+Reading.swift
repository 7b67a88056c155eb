internal import ConsentCore
internal import ConsentStore
internal import Synchronization

// Readings: what the index lacks, for all who wait for it at once, one reading at a time.
extension OrganizationChecker {
  private enum Reading {
    case facts([CheckCall])
    case feed
    case page(after: PatientID?)
  }

  /// The most images read at once.
  private static let readingLimit = 2_000

  func readings() async {
    while let reading = nextReading() {
      switch reading {
      case .facts(let calls): await read(for: calls)
      case .feed: await readFeed()
      case .page(let after): await readPage(after: after)
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
      if let preloading = state.preloading {
        state.index.beginReading()
        return .page(after: preloading.after)
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

  /// - Returns: `nil` if it failed; the calls then have their answer.
  private func read(_ wanted: FactFill.Wanted, for calls: [CheckCall]) async -> FactFill? {
    do {
      let applied = state.withLock { $0.index.applied }
      let fill = try await store.read(organization) { reader in
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

  // MARK: Reading ahead

  private func readPage(after cursor: PatientID?) async {
    let limit = options.preloadPage
    var wanted = FactFill.Wanted()
    do {
      wanted.patients = try await store.read(organization) {
        try $0.patients(after: cursor, limit: limit)
      }
    } catch {
      state.withLock { $0.index.abandonReading() }
      return endPreload(isWhole: false)
    }
    guard let last = wanted.patients.last else {
      state.withLock { $0.index.abandonReading() }
      return endPreload(isWhole: true)
    }
    guard await read(wanted, for: []) != nil else { return endPreload(isWhole: false) }
    let (images, isFull) = state.withLock { state in
      state.preloading?.after = last
      return (state.index.count, state.index.count >= options.indexedImages * 9 / 10)
    }
    report(.preloading(organization, images: images))
    if isFull { endPreload(isWhole: false) }
  }

  private func endPreload(isWhole: Bool) {
    let (images, preloading) = state.withLock { state in
      defer { state.preloading = nil }
      return (state.index.count, state.preloading)
    }
    guard let preloading else { return }
    preloading.ended.resume()
    report(.preloaded(organization, images: images, isWhole: isWhole))
  }
}
