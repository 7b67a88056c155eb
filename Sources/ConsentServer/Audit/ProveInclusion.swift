import ConsentCore
import ConsentProto
import ConsentStore
import Foundation
import ProofLog

extension ConsentService {
  /// Proves that a decision is in a log. Computed from the stored records, and roots that were kept
  /// of many of them, and compared with the stored root before it is answered.
  static func proveInclusion(
    _ service: ConsentService, _ request: Consent_V1_ProveInclusionRequest, by caller: Principal
  ) async throws -> Consent_V1_ProveInclusionResponse {
    let (id, position) = try RequestReader.read { reader in
      let position = reader.minPosition(request.hasMinPosition ? request.minPosition : nil)
      return reader.leaf(request).map { ($0, position) }
    }
    return try await service.store.read(caller.organization) { reader in
      try position?.require(in: reader)
      let proven = try ProvenLog(id.log, in: reader)
      let size = try proven.size(request.treeSize, "tree_size", holding: id.leaf)
      guard id.leaf < size, let record = try reader.logRecord(id) else {
        throw ServiceError.notFound(kind: "leaf in a tree of \(size)", name: id.text)
      }
      let leafHash = TreeHash.leaf(record)
      let path = try proven.prover.inclusion(leaf: id.leaf, size: size)
      let root = try TreeHash.root(of: leafHash, leaf: id.leaf, size: size, path: path)
      try proven.require(root, at: size)
      var response = Consent_V1_ProveInclusionResponse()
      response.logID = id.log.description
      response.leafIndex = id.leaf
      response.treeSize = size
      response.leafHash = Data(leafHash.bytes)
      response.hashes = path.map { Data($0.bytes) }
      response.root = Data(root.bytes)
      response.position = Consent_V1_FeedPosition(reader.head)
      return response
    }
  }
}

/// A log of which something is to be proven.
struct ProvenLog {
  let log: LogSummary
  let prover: MerkleProver

  init(_ id: ID<DecisionLog>, in reader: any FactReader) throws {
    guard let log = try reader.logs(.one(id)).first else {
      throw ServiceError.notFound(kind: "log", name: id.description)
    }
    self.log = log
    prover = try reader.prover(of: id, size: log.size)
  }

  /// 0 asks for the newest signed tree; for a leaf that is in none yet, for the newest.
  func size(
    _ asked: UInt64, _ field: String, holding leaf: UInt64 = 0
  ) throws(ServiceError) -> UInt64 {
    guard asked <= log.size else {
      throw ServiceError.invalid(field, "is more than the \(log.size) leaves of the log")
    }
    guard asked == 0 else { return asked }
    guard let signed = log.signed, leaf < signed.size else { return log.size }
    return signed.size
  }

  /// What the records give must be what was stored when they were logged.
  func require(_ root: TreeHash, at size: UInt64) throws(ServiceError) {
    let isStored = size != log.size || root == log.root
    guard isStored, log.signed.map({ size != $0.size || root == $0.root }) ?? true else {
      throw ServiceError.logDiffers(log: log.id.description)
    }
  }
}

extension RequestReader {
  fileprivate mutating func leaf(_ request: Consent_V1_ProveInclusionRequest) -> DecisionID? {
    let log = request.hasLogID ? logID(request.logID, "log_id") : nil
    switch request.leaf {
    case .decisionID(let text)?:
      guard let id = decisionID(text, "decision_id") else { return nil }
      if let log, log != id.log {
        refuse("log_id", "is not the decision's log; leave it out")
        return nil
      }
      return id
    case .leafIndex(let leaf)?:
      if !request.hasLogID { refuse("log_id", "is required with leaf_index") }
      return log.map { DecisionID(log: $0, leaf: leaf) }
    case nil:
      refuse("decision_id", "or leaf_index is required")
      return nil
    }
  }
}
