public import ConsentCore
public import ProofLog

/// The end of a log whose node died, as another node found and signed it.
///
/// It says less than the signature of a log's own node, which signs what it had in memory: these
/// records stood in the database when the log was closed, they agree with what the log's own node
/// had signed of them, and nothing can follow them.
public struct LogClosing: Hashable, Sendable {
  public var size: UInt64
  public var root: TreeHash
  /// The newest size that the log's own node signed, as far as the database knows; 0: none.
  public var ownSize: UInt64
  /// Of the node that closed it.
  public var verifierKey: VerifierKey
  /// Ed25519, 64 bytes.
  public var signature: [UInt8]

  public init(
    size: UInt64, root: TreeHash, ownSize: UInt64, verifierKey: VerifierKey, signature: [UInt8]
  ) {
    self.size = size
    self.root = root
    self.ownSize = ownSize
    self.verifierKey = verifierKey
    self.signature = signature
  }

  /// What is signed: a checkpoint that nobody takes for one of the log's own node.
  public static func checkpoint(
    organization: OrganizationID, log: ID<DecisionLog>, size: UInt64, root: TreeHash,
    ownSize: UInt64
  ) -> Checkpoint {
    var checkpoint = Checkpoint(organization: organization, log: log, size: size, root: root)
    checkpoint.extensions = ["closed by another node; its own node signed \(ownSize)"]
    return checkpoint
  }

  public func note(organization: OrganizationID, log: ID<DecisionLog>) -> SignedNote {
    let checkpoint = Self.checkpoint(
      organization: organization, log: log, size: size, root: root, ownSize: ownSize)
    return SignedNote(
      text: checkpoint.text,
      signatures: [
        .init(name: verifierKey.name, keyHash: verifierKey.keyHash, bytes: signature)
      ])
  }
}

/// What became of the logs of nodes that died.
public struct LogClosings: Hashable, Sendable {
  /// Nothing can be appended to them any more.
  public var fenced: [ID<DecisionLog>] = []
  /// Their ends are signed.
  public var closed: [ID<DecisionLog>] = []
  /// Their records do not give what was stored or signed of them, so that nobody signs them.
  public var refused: [ID<DecisionLog>] = []

  public init() {}
}

/// Ends the logs of nodes that died.
public protocol LogCloser: Sendable {
  /// - Throws: `StoreError`; what was fenced or closed before stands, and the rest is found again.
  func closeDeadLogs(of organization: OrganizationID) async throws -> LogClosings
}
