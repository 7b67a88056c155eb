// Until when an answer stands by the clock alone, on the same facts and policy.

extension CaseFile {
  /// The first instant after the decision's, exclusive, at which the same request gets another
  /// effect, primary reason or obligation. An override answers for an hour at most.
  func validUntil(_ decision: Decision) -> Instant? {
    let change = firstChange(after: decision.at) { instant in
      let later = answer(at: instant)
      return later.effect != decision.effect || later.primary != decision.primary
        || later.obligations != decision.obligations
    }
    guard decision.isEmergencyOverride else { return change }
    let limit = decision.at.adding(microseconds: Moment.emergencyMicroseconds)
    return change.map { min($0, limit) } ?? limit
  }

  /// Of the instants at which the answer to this question can change, the first for which
  /// `isChange` holds.
  private func firstChange(after at: Instant, _ isChange: (Instant) -> Bool) -> Instant? {
    guard !image.hasAllowance, let use = question?.use else {
      return changes(after: at).first(where: isChange)
    }
    for index in boundaries(after: at).indices
    where image.boundaryUses[index].contains(use) && isChange(image.boundaries[index]) {
      return image.boundaries[index]
    }
    return nil
  }

  /// The instants at which an answer can change: the boundaries, or with a clock allowance the
  /// ends of the time around each.
  func changes(after at: Instant) -> ArraySlice<Instant> {
    guard image.hasAllowance else { return boundaries(after: at) }
    let allowances = Set([0] + facts.policies.map { max(0, $0.clockAllowanceMicroseconds) })
    var instants: Set<Instant> = []
    for boundary in image.boundaries {
      for allowance in allowances {
        instants.insert(boundary.adding(microseconds: -allowance))
        instants.insert(boundary.adding(microseconds: allowance))
        instants.insert(boundary)
      }
    }
    return instants.filter { $0 > at }.sorted()[...]
  }

  /// Every instant after `at` at which any fact of this case begins or ceases to count, ascending.
  func boundaries(after at: Instant) -> ArraySlice<Instant> {
    image.boundaries[image.boundaries.partitioningIndex { $0 > at }...]
  }
}

extension [Instant] {
  /// The first index from which on `isLater` holds; the instants ascend.
  fileprivate func partitioningIndex(_ isLater: (Instant) -> Bool) -> Int {
    var (low, high) = (0, count)
    while low < high {
      let middle = (low + high) / 2
      if isLater(self[middle]) { high = middle } else { low = middle + 1 }
    }
    return low
  }
}
