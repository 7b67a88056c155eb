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

/// What is read of logs, to prove what is in them.
public protocol LogReader {
  /// The log of that id, or every log of the organization that has not ended, by id.
  func logs(_ id: ID<DecisionLog>?) throws -> [LogSummary]

  /// The exact bytes whose leaf hash is in the tree; `nil` if there is no such leaf.
  func logRecord(_ id: DecisionID) throws -> [UInt8]?

  /// Hands the leaf hashes of `range` to `body` in order. They are computed from the records, which
  /// are read some megabytes at a time.
  /// - Throws: `StoreError.unreadable` if a leaf of the range is missing.
  func leafHashes(
    of log: ID<DecisionLog>, _ range: Range<UInt64>, _ body: (TreeHash) throws -> Void) throws
}

extension LogReader {
  /// Proves by the stored records. A proof reads each record below its size once, about 2 us each;
  /// its memory does not grow with the log.
  public func prover(of log: ID<DecisionLog>) -> MerkleProver {
    MerkleProver { level, index in
      let first = index << UInt64(level)
      let (end, overflow) = first.addingReportingOverflow(UInt64(1) << UInt64(level))
      guard level < 64, !overflow else { throw MerkleFault.outsideTree }
      var tree = MerkleTree()
      try leafHashes(of: log, first..<end) { tree.append($0) }
      return tree.root
    }
  }
}
