public import ConsentCore
public import ProofLog

/// The newest state of one log.
public struct LogSummary: Hashable, Sendable {
  public var id: ID<DecisionLog>
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
}

extension LogReader {
  /// Proves by the stored records. A proof reads each record below its size once, about 2 us each;
  /// its memory does not grow with the log.
  public func prover(of log: ID<DecisionLog>) -> MerkleProver {
    MerkleProver { level, index in
      guard level < 64 else { throw MerkleFault.outsideTree }
      let first = index << UInt64(level)
      let (end, overflow) = first.addingReportingOverflow(UInt64(1) << UInt64(level))
      guard !overflow else { throw MerkleFault.outsideTree }
      var tree = MerkleTree()
      try batches(of: log, first..<end) { batch in
        var leaf = batch.firstLeaf
        for record in batch.records {
          if leaf >= first, leaf < end { tree.append(.leaf(record)) }
          leaf += 1
        }
      }
      return tree.root
    }
  }
}
