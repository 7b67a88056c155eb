import ConsentCore
import ConsentProto
import ConsentStore
import Foundation
import ProofLog

extension ConsentService {
  /// Proves that a log only grew between two sizes.
  static func proveConsistency(
    _ service: ConsentService, _ request: Consent_V1_ProveConsistencyRequest, by caller: Principal
  ) async throws -> Consent_V1_ProveConsistencyResponse {
    let (id, position) = try RequestReader.read { reader in
      let position = reader.minPosition(request.hasMinPosition ? request.minPosition : nil)
      return reader.logID(request.logID, "log_id").map { ($0, position) }
    }
    return try await service.store.read(caller.organization) { reader in
      try position?.require(in: reader)
      let proven = try ProvenLog(id, in: reader)
      let second = try proven.size(request.secondTreeSize, "second_tree_size")
      let first = request.firstTreeSize
      guard first <= second else {
        throw ServiceError.invalid("first_tree_size", "is more than the second size, \(second)")
      }
      let proof = try proven.prover.consistency(first: first, second: second)
      let (firstRoot, secondRoot) = try proven.roots(first: first, second: second, proof)
      var response = Consent_V1_ProveConsistencyResponse()
      response.logID = id.description
      response.firstTreeSize = first
      response.secondTreeSize = second
      response.hashes = proof.map { Data($0.bytes) }
      response.firstRoot = Data(firstRoot.bytes)
      response.secondRoot = Data(secondRoot.bytes)
      response.position = Consent_V1_FeedPosition(reader.head)
      return response
    }
  }
}

extension ProvenLog {
  /// Both roots, from the records; the proof must hold between them.
  fileprivate func roots(
    first: UInt64, second: UInt64, _ proof: [TreeHash]
  ) throws -> (TreeHash, TreeHash) {
    let (firstRoot, secondRoot) = (try prover.root(size: first), try prover.root(size: second))
    try require(secondRoot, at: second)
    try TreeHash.verifyConsistency(
      first: first, firstRoot: firstRoot, second: second, secondRoot: secondRoot, proof: proof)
    return (firstRoot, secondRoot)
  }
}
