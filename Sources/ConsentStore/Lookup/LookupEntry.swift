internal import ConsentCore

/// One decision under one of its keys: enough to list it in order and to count it without its record.
struct LookupEntry: Hashable {
  var key: LookupKey
  var at: Instant
  var log: ID<DecisionLog>
  var leaf: UInt64
  /// Only under a grant; 0 under anything else.
  var position: UInt64
  var isPermit: Bool
  var isUse: Bool

  /// Whether the decision may match; what an entry does not hold is left to the record.
  func mayMatch(_ filter: DecisionFilter) -> Bool {
    if let from = filter.from, at < from { return false }
    if let until = filter.until, at >= until { return false }
    if let effect = filter.effect, (effect == .permit) != isPermit { return false }
    if filter.usesOnly, !isUse { return false }
    guard key.grant != nil else { return true }
    if let positionFrom = filter.positionFrom, position < positionFrom { return false }
    if let positionUntil = filter.positionUntil, position >= positionUntil { return false }
    return true
  }

  func isListed(before other: LookupEntry) -> Bool {
    if at != other.at { return at < other.at }
    if log != other.log { return log < other.log }
    return leaf < other.leaf
  }

  /// The order of a run: what has one word is in the order of a list.
  func isSorted(before other: LookupEntry) -> Bool {
    if key.word != other.key.word { return key.word < other.key.word }
    if self.isListed(before: other) { return true }
    if other.isListed(before: self) { return false }
    guard let grant = key.grant else { return other.key.grant != nil }
    return other.key.grant.map { grant < $0 } ?? false
  }
}
