internal import ConsentCore
internal import ConsentStore

extension FactReader {
  /// Calls `body` with every logged decision that matches, oldest first, in pages.
  ///
  /// Pages go on by decision time, which several decisions may share: what was seen at the last
  /// instant of a page is left out of the next one.
  func forEachDecision(
    _ filter: DecisionFilter, pageSize: Int = 1_000, _ body: (LoggedDecision) throws -> Void
  ) throws {
    var filter = filter
    var limit = pageSize
    var last: (at: Instant, seen: Set<DecisionID>)?
    while true {
      let page = try decisions(filter, limit: limit)
      for logged in page {
        let at = logged.entry.decision.at
        if last?.at == at {
          guard last?.seen.insert(logged.id).inserted ?? true else { continue }
        } else {
          last = (at, [logged.id])
        }
        try body(logged)
      }
      guard page.count >= limit, let newest = last?.at else { return }
      // More share one instant than a page holds: only a longer page gets past it.
      limit = filter.from == newest ? limit * 2 : pageSize
      filter.from = newest
    }
  }
}

/// One image's answer: a group's record holds many.
struct ImageAnswer {
  var logged: LoggedDecision
  var image: ImageKey
  var effect: Effect
  var reason: Reason

  var request: CheckRequest { logged.entry.request }
  var at: Instant { logged.entry.decision.at }
}

extension LoggedDecision {
  var answers: [ImageAnswer] {
    let decision = entry.decision
    guard let group = entry.group else {
      return [
        ImageAnswer(
          logged: self, image: entry.request.image, effect: decision.effect,
          reason: decision.primary)
      ]
    }
    let differing = Dictionary(group.differing.map { ($0.image, $0) }) { first, _ in first }
    return group.images.map { image in
      let own = differing[image]
      return ImageAnswer(
        logged: self, image: image, effect: own?.effect ?? decision.effect,
        reason: own?.reason ?? decision.primary)
    }
  }
}
