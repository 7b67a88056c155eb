internal import ConsentCore
internal import ConsentStore
internal import Synchronization

// The whole register, read in one snapshot beside the questions and the readings for them.
extension OrganizationChecker {
  /// Another history, seen while the register is read, ends that reading; it is tried so often.
  private static let attempts = 3

  /// Returns when the register is in the index, or as much of it as fits.
  func preload() async {
    let begins = state.withLock { state in
      guard !state.isLoading, state.stopped == nil else { return false }
      state.isLoading = true
      return true
    }
    guard begins else { return }
    report(.preloading(organization, images: 0))
    var isWhole = false
    for _ in 0..<Self.attempts {
      guard let outcome = await load() else { continue }
      isWhole = outcome
      break
    }
    state.withLock { $0.isLoading = false }
    let images = index.withLock { index in
      index.abandonLoading()
      return index.count
    }
    report(.preloaded(organization, images: images, isWhole: isWhole))
  }

  /// - Returns: whether the whole register is in the index; `nil`: to be tried again.
  private func load() async -> Bool? {
    await readFirst()
    let begun = unlessStopped { index -> FeedHead? in
      guard let applied = index.applied else { return nil }
      index.beginLoading()
      return applied
    }
    guard let begun else { return false }
    let empty = emptyIndex()
    do {
      var loaded = try await store.readWhole(organization) { reader in
        try LoadedRegister(into: empty, after: begun, in: reader)
      }
      while true {
        switch unlessStopped({ $0.take(&loaded) }) ?? .refused {
        case .taken: return loaded.isWhole
        case .refused: return nil
        case .behind: try await catchUp(&loaded.index)
        }
      }
    } catch {
      failed([], error)
      return false
    }
  }

  /// Follows rows that have been applied to the other index long ago.
  private func catchUp(_ index: inout FactIndex) async throws {
    let position = index.applied?.position ?? 0
    let (rows, holdsPart2) = try await store.read(organization) { reader in
      (
        try reader.feed(after: position, limit: FeedFollowing.limit),
        try reader.facts(images: [], asOf: nil).organizationHoldsPart2
      )
    }
    guard let last = rows.last else { throw StoreError.unavailable("the feed went back") }
    let head = FeedHead(
      position: last.position, chain: last.chain, known: last.known,
      factPosition: index.applied?.factPosition ?? 0)
    try index.follow(rows, to: head, holdsPart2: holdsPart2)
  }
}
