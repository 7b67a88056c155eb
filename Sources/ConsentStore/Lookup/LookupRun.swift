internal import ConsentCore

/// One row of `decision_run`.
struct LookupRun {
  var id: ID<LookupRun> = PostgresConsentStore.randomID()
  var level: Int16
  var decisions: Int64
  var from: Instant
  var until: Instant

  init(
    level: Int16 = 0, decisions: Int, from: Instant, until: Instant, _ shape: LookupShape
  ) {
    self.level = max(level, shape.level(of: decisions))
    self.decisions = Int64(decisions)
    self.from = from
    self.until = until
  }

  /// One of a higher level, of the entries of all.
  init?(merging runs: [LookupRun], _ shape: LookupShape) {
    guard let from = runs.map(\.from).min(), let until = runs.map(\.until).max(),
      let level = runs.map(\.level).max()
    else { return nil }
    let decisions = runs.reduce(Int64(0)) { $0.addingReportingOverflow($1.decisions).partialValue }
    self.init(
      level: level + 1, decisions: Int(clamping: decisions), from: from, until: until, shape)
  }
}

/// How large pages and runs are.
struct LookupShape: Sendable {
  /// So many runs of a level become one of the next. A question reads a page a run: at most fifteen
  /// of each level that is merged, and one for each some hundred thousand decisions beyond.
  var fanOut = 16
  /// Runs of this level are merged no more, so that no merge takes longer than some seconds.
  var lastLevel: Int16 = 3
  /// Two rows with so many bytes fill a block of 8 kB: beside them a row has 72 in its header and
  /// other columns and 4 in the block's list.
  var pageBytes = 3_990

  /// A run that is large from the beginning is not merged with small ones: each entry is written
  /// once a level at most.
  fileprivate func level(of decisions: Int) -> Int16 {
    var level: Int16 = 0
    var least = 512
    while level < lastLevel, decisions >= least {
      level += 1
      least *= fanOut
    }
    return level
  }
}

/// What is found in a stretch of some logs, as it is gathered and then sorted.
struct LookupGathering {
  private var logs: [ID<DecisionLog>] = []
  private var decisions: [Decided] = []
  private var found: [Found] = []
  private(set) var places: [LookupPlaces] = []

  private struct Decided {
    var log: Int
    var leaf: UInt64
    var at: Instant
    var position: UInt64
    var isPermit: Bool
    var isUse: Bool
  }

  private struct Found {
    var key: LookupKey
    var decision: UInt32
  }

  /// What follows is of `log`, from `leaf` on.
  mutating func begin(_ log: ID<DecisionLog>, at leaf: UInt64) {
    logs.append(log)
    places.append(LookupPlaces(log: log, firstLeaf: leaf))
  }

  /// Adds the next batch, of the log begun last.
  mutating func endBatch(first leaf: UInt64, lengths: [Int]) {
    guard let last = places.indices.last else { return }
    if places[last].isFull {
      places.append(LookupPlaces(log: places[last].log, firstLeaf: leaf))
    }
    places[places.endIndex - 1].add(lengths)
  }

  mutating func add(_ fields: LogRecordFields, _ keys: [LookupKey]) {
    let decision = UInt32(truncatingIfNeeded: decisions.count)
    decisions.append(
      Decided(
        log: logs.count - 1, leaf: fields.id.leaf, at: fields.at, position: fields.position,
        isPermit: fields.isPermit, isUse: fields.isUse))
    for key in keys { found.append(Found(key: key, decision: decision)) }
  }

  /// The run of all that was added, and its pages; `nil` if that is nothing.
  mutating func finish(_ shape: LookupShape) -> (run: LookupRun, pages: [LookupPage])? {
    guard var from = decisions.first?.at else { return nil }
    var until = from
    for decided in decisions {
      from = min(from, decided.at)
      until = max(until, decided.at)
    }
    let ranks = ranks()
    found.sort { a, b in
      if a.key.word != b.key.word { return a.key.word < b.key.word }
      let (first, second) = (
        ranks?[Int(a.decision)] ?? a.decision, ranks?[Int(b.decision)] ?? b.decision
      )
      if first != second { return first < second }
      return (a.key.grant ?? 0) < (b.key.grant ?? 0)
    }
    var writer = LookupPage.Writer(mostBytes: shape.pageBytes)
    for each in found {
      let decided = decisions[Int(each.decision)]
      writer.add(
        LookupEntry(
          key: each.key, at: decided.at, log: logs[decided.log], leaf: decided.leaf,
          position: decided.position, isPermit: decided.isPermit, isUse: decided.isUse))
    }
    let run = LookupRun(decisions: decisions.count, from: from, until: until, shape)
    return (run, writer.take(end: true))
  }

  /// The place of each decision in the order of a list; `nil` if they are in it as they came.
  private func ranks() -> [UInt32]? {
    func isListed(_ a: Int, before b: Int) -> Bool {
      let (first, second) = (decisions[a], decisions[b])
      if first.at != second.at { return first.at < second.at }
      if first.log != second.log { return logs[first.log] < logs[second.log] }
      return first.leaf < second.leaf
    }
    guard decisions.indices.dropFirst().contains(where: { isListed($0, before: $0 - 1) }) else {
      return nil
    }
    var ranks = [UInt32](repeating: 0, count: decisions.count)
    for (rank, decision) in decisions.indices.sorted(by: { isListed($0, before: $1) }).enumerated()
    {
      ranks[decision] = UInt32(truncatingIfNeeded: rank)
    }
    return ranks
  }
}
