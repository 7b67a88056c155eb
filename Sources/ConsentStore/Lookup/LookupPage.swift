internal import ConsentCore

/// One row of `decision_run_page`: entries of a run one after the other.
///
/// In front the logs that are named, then each entry as differences to the one before: about 9 bytes
/// for a key that no other entry of the page has, 4 where keys repeat.
struct LookupPage {
  /// Of the first entry.
  var word: Int64
  var from: Instant
  var bytes: [UInt8]

  /// The longest entry, with a log that it is the first to name.
  private static let longestEntry = 16 + 5 + 10 + 8 + 10 + 10 + 10

  /// Puts sorted entries into pages.
  struct Writer {
    private let mostBytes: Int
    private(set) var pages: [LookupPage] = []
    private var body: CanonicalBytes
    private var logs: [ID<DecisionLog>] = []
    /// Of each log, the leaf named last.
    private var leaves: [UInt64] = []
    private var first: (word: Int64, from: Instant)?
    private var before = LookupPage.Before()
    private var last: LookupEntry?

    init(mostBytes: Int) {
      self.mostBytes = mostBytes
      body = CanonicalBytes(reserving: mostBytes)
    }

    /// - Parameter entry: not before the one added last. What is the same as that one is left out.
    mutating func add(_ entry: LookupEntry) {
      guard entry != last else { return }
      last = entry
      if body.bytes.count + logs.count * 16 + 2 + LookupPage.longestEntry > mostBytes {
        endPage()
      }
      if first == nil {
        first = (entry.key.word, entry.at)
        before = LookupPage.Before(word: entry.key.word, at: entry.at)
      }
      var slot = logs.count - 1
      while slot >= 0, logs[slot] != entry.log { slot -= 1 }
      if slot < 0 {
        slot = logs.count
        logs.append(entry.log)
        leaves.append(0)
      }
      let isSameKey = before.key == entry.key
      let bits: UInt64 =
        (isSameKey ? 1 : 0) | (entry.isPermit ? 2 : 0) | (entry.isUse ? 4 : 0)
        | (entry.key.grant != nil ? 8 : 0)
      body.append(varint: UInt64(slot) << 4 | bits)
      if !isSameKey {
        body.append(varint: UInt64(bitPattern: entry.key.word &- before.word))
        if let grant = entry.key.grant { body.append(grant) }
      }
      body.append(
        number: Int(truncatingIfNeeded: entry.at.microseconds &- before.at.microseconds))
      body.append(number: Int(truncatingIfNeeded: entry.leaf &- leaves[slot]))
      if entry.key.grant != nil {
        body.append(number: Int(truncatingIfNeeded: entry.position &- before.position))
        before.position = entry.position
      }
      leaves[slot] = entry.leaf
      before.key = entry.key
      before.word = entry.key.word
      before.at = entry.at
    }

    /// Hands out what is written; with `end`, also the page that is not full.
    mutating func take(end: Bool) -> [LookupPage] {
      if end { endPage() }
      defer { pages = [] }
      return pages
    }

    private mutating func endPage() {
      guard let first else { return }
      var form = CanonicalBytes(reserving: body.bytes.count + logs.count * 16 + 2)
      form.append(varCount: logs.count)
      for log in logs { form.append(log) }
      form.append(raw: body.bytes)
      pages.append(LookupPage(word: first.word, from: first.from, bytes: form.bytes))
      body.removeAll()
      logs.removeAll(keepingCapacity: true)
      leaves.removeAll(keepingCapacity: true)
      self.first = nil
    }
  }

  /// What an entry is told as the difference to.
  private struct Before {
    var word: Int64 = 0
    var at = Instant(microseconds: 0)
    var position: UInt64 = 0
    /// `nil`: nothing stands before.
    var key: LookupKey?
  }

  /// Takes a stored page apart. Never traps.
  /// - Parameter wanted: only entries with this word; `nil`: all.
  /// - Returns: `nil` unless the bytes are what a page holds.
  func entries(of wanted: Int64? = nil) -> [LookupEntry]? {
    var reader = CanonicalReader(bytes[...])
    var entries: [LookupEntry] = []
    do throws(CanonicalReader.Malformed) {
      let logs: [ID<DecisionLog>] = try reader.list { reader throws(CanonicalReader.Malformed) in
        try reader.id()
      }
      var leaves = [UInt64](repeating: 0, count: logs.count)
      var before = Before(word: word, at: from)
      while !reader.isAtEnd {
        let head = try reader.varint()
        guard let slot = Int(exactly: head >> 4), logs.indices.contains(slot) else { return nil }
        let key: LookupKey
        if head & 1 == 0 {
          before.word &+= Int64(bitPattern: try reader.varint())
          if let wanted, before.word > wanted { return entries }
          key = LookupKey(word: before.word, grant: head & 8 == 0 ? nil : try reader.integer())
        } else {
          guard let same = before.key, (same.grant != nil) == (head & 8 != 0) else { return nil }
          key = same
        }
        before.key = key
        before.at.microseconds &+= Int64(try reader.number())
        leaves[slot] &+= UInt64(bitPattern: Int64(try reader.number()))
        if key.grant != nil { before.position &+= UInt64(bitPattern: Int64(try reader.number())) }
        if let wanted, wanted != key.word { continue }
        entries.append(
          LookupEntry(
            key: key, at: before.at, log: logs[slot], leaf: leaves[slot],
            position: key.grant == nil ? 0 : before.position, isPermit: head & 2 != 0,
            isUse: head & 4 != 0))
      }
    } catch {
      return nil
    }
    return entries
  }
}
