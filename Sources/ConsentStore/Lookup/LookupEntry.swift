internal import ConsentCore

/// One decision as the look-up tables have it: where its record is, and what most filters ask, so
/// that no record is read to be thrown away, and none at all to be counted.
struct LookupEntry: Hashable {
  var log: ID<DecisionLog>
  var leaf: UInt64
  /// The first leaf of the batch that holds it.
  var batch: UInt64
  /// Where the record begins in the batch's packed records, in bytes.
  var offset: Int
  var length: Int
  var at: Instant
  var position: UInt64
  var isPermit: Bool
  var isUse: Bool

  /// Whether the decision may match; what an entry does not hold is left to the record.
  func mayMatch(_ filter: DecisionFilter) -> Bool {
    if let from = filter.from, at < from { return false }
    if let until = filter.until, at >= until { return false }
    if let positionFrom = filter.positionFrom, position < positionFrom { return false }
    if let positionUntil = filter.positionUntil, position >= positionUntil { return false }
    if let effect = filter.effect, (effect == .permit) != isPermit { return false }
    if filter.basisGrant != nil, !isPermit { return false }
    return !filter.usesOnly || isUse
  }

  func isListed(before other: LookupEntry) -> Bool {
    (at, log, leaf) < (other.at, other.log, other.leaf)
  }
}

/// One row of `decision_lookup`.
struct LookupRow {
  /// All decisions of a row are within so many microseconds of the earliest. A reader of a period
  /// looks so far ahead of it.
  static let reachMicroseconds: Int64 = .microsecondsPerMinute

  var key: ID<LookupKey>
  var from: Instant
  var log: ID<DecisionLog>
  var firstLeaf: UInt64
  var bytes: [UInt8]

  /// The rows of one key in one stretch of a log. Usually one; more where instants are far apart.
  ///
  /// - Parameter entries: all of one log, in order of their leaves.
  static func rows(_ key: ID<LookupKey>, _ entries: [LookupEntry]) -> [LookupRow] {
    guard let first = entries.first else { return [] }
    var (low, high) = (first.at, first.at)
    for entry in entries {
      low = min(low, entry.at)
      high = max(high, entry.at)
    }
    if high < low.adding(microseconds: reachMicroseconds) {
      return [LookupRow(key, from: low, entries)]
    }
    let sorted = entries.sorted { $0.at < $1.at }
    var rows: [LookupRow] = []
    var start = sorted.startIndex
    while start < sorted.endIndex {
      let from = sorted[start].at
      let end = from.adding(microseconds: reachMicroseconds)
      // At the end of time there is no later instant to stop at.
      let next = sorted[start...].firstIndex { $0.at >= end && $0.at > from } ?? sorted.endIndex
      rows.append(
        LookupRow(key, from: from, sorted[start..<next].sorted { $0.leaf < $1.leaf }))
      start = next
    }
    return rows
  }

  private init(_ key: ID<LookupKey>, from: Instant, _ entries: [LookupEntry]) {
    self.key = key
    self.from = from
    log = entries.first?.log ?? ID(high: 0, low: 0)
    firstLeaf = entries.first?.leaf ?? 0
    var form = CanonicalBytes(reserving: entries.count * 12)
    var (leaf, position) = (firstLeaf, UInt64(0))
    for entry in entries {
      form.append(varint: entry.leaf &- leaf)
      form.append(varint: UInt64(bitPattern: entry.at.microseconds &- from.microseconds))
      form.append(varint: entry.leaf &- entry.batch)
      form.append(varCount: entry.offset)
      form.append(varCount: entry.length)
      // Positions seldom differ from one decision to the next; small steps either way are short.
      form.append(number: Int(truncatingIfNeeded: Int64(bitPattern: entry.position &- position)))
      form.append(byte: (entry.isPermit ? 1 : 0) | (entry.isUse ? 2 : 0))
      (leaf, position) = (entry.leaf, entry.position)
    }
    bytes = form.bytes
  }

  /// Takes a stored row apart. Never traps.
  /// - Returns: `nil` unless the bytes are what a row holds.
  static func entries(
    _ bytes: [UInt8], log: ID<DecisionLog>, from: Instant, firstLeaf: UInt64
  ) -> [LookupEntry]? {
    var reader = CanonicalReader(bytes[...])
    var entries: [LookupEntry] = []
    var (leaf, position) = (firstLeaf, UInt64(0))
    do throws(CanonicalReader.Malformed) {
      while !reader.isAtEnd {
        leaf &+= try reader.varint()
        let at = Instant(
          microseconds: from.microseconds &+ Int64(bitPattern: try reader.varint()))
        let batch = leaf &- (try reader.varint())
        guard let offset = Int32(exactly: try reader.varint()),
          let length = Int32(exactly: try reader.varint()), batch <= leaf
        else { return nil }
        position &+= UInt64(bitPattern: Int64(try reader.number()))
        let flags = try reader.byte()
        guard flags <= 3 else { return nil }
        entries.append(
          LookupEntry(
            log: log, leaf: leaf, batch: batch, offset: Int(offset), length: Int(length), at: at,
            position: position, isPermit: flags & 1 != 0, isUse: flags & 2 != 0))
      }
    } catch {
      return nil
    }
    return entries
  }
}
