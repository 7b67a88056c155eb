public import ConsentCore
public import ProofLog

/// The newest state of one log.
public struct LogSummary: Hashable, Sendable {
  public var id: ID<DecisionLog>
  /// 1: the decisions of a node's run; 2: those logged with one change; 3: an activity log.
  public var kind: UInt8 = 1
  public var epoch: UInt64
  public var size: UInt64
  public var root: TreeHash
  /// When its last batch was recorded.
  public var recorded: Instant
  /// Nothing can be appended any more.
  public var hasEnded: Bool
  /// The key it is signed with, if any.
  public var verifierKey: VerifierKey?
  /// Its newest state that is signed; `nil` if none is known here: the signature of a log's newest
  /// batch is known to its own node until the next batch stores it.
  public var signed: Signed?
  /// How another node closed it; `nil`: it has not, and the log may have ended by itself.
  public var closing: LogClosing?

  public struct Signed: Hashable, Sendable {
    public var size: UInt64
    public var root: TreeHash
    /// Ed25519, 64 bytes.
    public var signature: [UInt8]

    public init(size: UInt64, root: TreeHash, signature: [UInt8]) {
      self.size = size
      self.root = root
      self.signature = signature
    }
  }

  public init(
    id: ID<DecisionLog>, epoch: UInt64, size: UInt64, root: TreeHash, recorded: Instant,
    hasEnded: Bool
  ) {
    self.id = id
    self.epoch = epoch
    self.size = size
    self.root = root
    self.recorded = recorded
    self.hasEnded = hasEnded
  }
}

/// One stored batch of a log.
public struct LogBatch: Hashable, Sendable {
  public var firstLeaf: UInt64
  /// Of the tree that ends with this batch.
  public var root: TreeHash
  /// The exact bytes of each record, in the order of the leaves.
  public var records: [ArraySlice<UInt8>]

  public init(firstLeaf: UInt64, root: TreeHash, records: [ArraySlice<UInt8>]) {
    self.firstLeaf = firstLeaf
    self.root = root
    self.records = records
  }
}

public enum LogSelection: Hashable, Sendable {
  case one(ID<DecisionLog>)
  /// Those that may still be appended to.
  case notEnded
  case all
}

/// What is read of logs, to prove what is in them.
public protocol LogReader {
  /// By id.
  func logs(_ selection: LogSelection) throws -> [LogSummary]

  /// The exact bytes whose leaf hash is in the tree; `nil` if there is no such leaf.
  func logRecord(_ id: DecisionID) throws -> [UInt8]?

  /// Hands the batches that hold leaves of `range` to `body` in order, some megabytes of them read
  /// at a time.
  /// - Throws: `StoreError.unreadable` if a leaf of the range is missing.
  func batches(
    of log: ID<DecisionLog>, _ range: Range<UInt64>, _ body: (LogBatch) throws -> Void) throws

  /// What is kept of the log's tree; `nil`: nothing is.
  func subtreeRoots(of log: ID<DecisionLog>) throws -> SubtreeRoots?
}

/// Roots of complete subtrees that were kept while the log grew.
public struct SubtreeRoots {
  /// The smallest that are kept have 2^8 leaves.
  public static let lowest = 8

  /// Kept for all subtrees of the tree of so many leaves.
  public var leaves: UInt64
  /// The subtree of 2^level leaves, the first of which is number * 2^level.
  public var root: (_ level: Int, _ number: UInt64) throws -> TreeHash

  public init(
    leaves: UInt64, root: @escaping (_ level: Int, _ number: UInt64) throws -> TreeHash
  ) {
    self.leaves = leaves
    self.root = root
  }
}

extension LogReader {
  public func subtreeRoots(of log: ID<DecisionLog>) throws -> SubtreeRoots? { nil }

  /// Proves what is in a tree of at most `size` leaves, by roots that are kept of it and, where none
  /// are, by the stored records: about 2 us each; its memory does not grow with the log.
  public func prover(of log: ID<DecisionLog>, size: UInt64) throws -> MerkleProver {
    let source = SubtreeSource(log: log, size: size, kept: try subtreeRoots(of: log), reader: self)
    return MerkleProver { level, number in try source.root(level, number) }
  }
}

/// Where a proof takes its subtrees from. Lives for one call.
private final class SubtreeSource {
  private let log: ID<DecisionLog>
  private let size: UInt64
  private let kept: SubtreeRoots?
  private let reader: any LogReader
  /// Of the few blocks of which single leaves are asked for.
  private var leavesOfBlock: [UInt64: [TreeHash]] = [:]

  init(log: ID<DecisionLog>, size: UInt64, kept: SubtreeRoots?, reader: any LogReader) {
    self.log = log
    self.size = size
    self.kept = kept
    self.reader = reader
  }

  func root(_ level: Int, _ number: UInt64) throws -> TreeHash {
    guard (0..<64).contains(level) else { throw MerkleFault.outsideTree }
    let (first, isTooFar) = number.multipliedReportingOverflow(by: UInt64(1) << UInt64(level))
    let (end, overflow) = first.addingReportingOverflow(UInt64(1) << UInt64(level))
    guard !isTooFar, !overflow, end <= size else { throw MerkleFault.outsideTree }
    guard level >= SubtreeRoots.lowest else { return try small(first..<end) }
    guard let kept, first < kept.leaves else { return try whole(first..<end) }
    if end <= kept.leaves { return try kept.root(level, number) }
    // Kept in part: the lowest ones reach to where the look-up stands but for some leaves.
    guard level > SubtreeRoots.lowest else { return try whole(first..<end) }
    return .node(try root(level - 1, number * 2), try root(level - 1, number * 2 + 1))
  }

  private func small(_ range: Range<UInt64>) throws -> TreeHash {
    let block = range.lowerBound >> UInt64(SubtreeRoots.lowest)
    let start = block << UInt64(SubtreeRoots.lowest)
    var leaves = leavesOfBlock[block] ?? []
    if leaves.isEmpty {
      try forEachLeaf(start..<min(size, start + (1 << UInt64(SubtreeRoots.lowest)))) {
        leaves.append($0)
      }
      leavesOfBlock[block] = leaves
    }
    var tree = MerkleTree()
    for leaf in range.lowerBound - start..<range.upperBound - start {
      guard let place = Int(exactly: leaf), leaves.indices.contains(place) else {
        throw StoreError.unreadable("a leaf of a log is missing")
      }
      tree.append(leaves[place])
    }
    return tree.root
  }

  private func forEachLeaf(
    _ range: Range<UInt64>, _ body: (TreeHash) -> Void
  ) throws {
    try reader.batches(of: log, range) { batch in
      var leaf = batch.firstLeaf
      for record in batch.records {
        if range.contains(leaf) { body(.leaf(record)) }
        leaf += 1
      }
    }
  }

  private func whole(_ range: Range<UInt64>) throws -> TreeHash {
    var tree = MerkleTree()
    try forEachLeaf(range) { tree.append($0) }
    return tree.root
  }
}
