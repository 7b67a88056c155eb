public import ConsentCore
public import ProofLog

/// Where a logged decision stands: the tree once its batch was in it.
public struct LogReceipt: Hashable, Sendable {
  public var treeSize: UInt64
  public var root: TreeHash
  public var epoch: UInt64
  /// Ed25519 over the checkpoint of that tree, 64 bytes; empty: not signed here.
  public var signature: [UInt8]

  public init(treeSize: UInt64, root: TreeHash, epoch: UInt64, signature: [UInt8] = []) {
    self.treeSize = treeSize
    self.root = root
    self.epoch = epoch
    self.signature = signature
  }
}

extension LogReceipt {
  init(_ state: LogState) {
    self.init(
      treeSize: state.tree.size, root: state.tree.root, epoch: state.epoch,
      signature: state.signature)
  }
}

extension Checkpoint {
  /// The checkpoint of one log of one organization; its origin is
  /// `consentd/<organization>/<log>`.
  public init(
    organization: OrganizationID, log: ID<DecisionLog>, size: UInt64, root: TreeHash
  ) {
    self.init(
      origin: Checkpoint.origin(organization: organization, log: log), size: size, root: root)
  }

  public static func origin(organization: OrganizationID, log: ID<DecisionLog>) -> String {
    "consentd/\(organization)/\(log)"
  }
}

/// A log as its one writer knows it. A value: it is moved only after the commit of what was
/// appended.
struct LogState: Sendable {
  enum Kind: Int16, Sendable {
    /// The decisions of one run of a node.
    case run = 1
    /// The decisions logged with one change.
    case change = 2
    /// What was read by callers of one run of a node, and where other logs and the feed stood.
    case activity = 3
  }

  var id: ID<DecisionLog>
  var kind: Kind
  /// Which of the log's successive writers this is. A log that changes hands ends instead, so there
  /// is one.
  var epoch: UInt64 = 1
  var tree = MerkleTree()
  /// Of the tree's checkpoint; empty before the first batch and where no key is given.
  var signature: [UInt8] = []

  var nextLeaf: UInt64 { tree.size }

  init(_ kind: Kind, id: ID<DecisionLog>) {
    self.id = id
    self.kind = kind
  }

  /// A log of a node's run, told by its first half.
  init(of run: NodeRun, _ kind: Kind = .run) {
    var generator = SystemRandomNumberGenerator()
    self.init(kind, id: ID(high: run.number, low: generator.next()))
  }

  /// To be called once what was appended is committed, and not before: a root that may yet vanish
  /// is never signed.
  func signed(by signer: LogSigner?, organization: OrganizationID) -> LogState {
    guard let signer, tree.size > 0 else { return self }
    var state = self
    let receipt = LogReceipt(treeSize: tree.size, root: tree.root, epoch: epoch)
    state.signature = receipt.signature(by: signer, organization: organization, log: id)
    return state
  }
}
