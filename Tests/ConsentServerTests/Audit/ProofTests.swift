import ConsentCore
import ConsentProto
import ConsentStore
import Foundation
import ProofLog
import Testing

@testable import ConsentServer

/// Receipts, checkpoints and proofs as an auditor uses them.
struct ProofTests {
  let desk: RecordDesk
  let keys: [VerifierKey]
  let decisions: [Consent_V1_Decision]

  init() async throws {
    let signer = try LogSigner(keyFile: try #require(LogSigner.newKey(name: "node")))
    desk = try await RecordDesk(logSigner: signer)
    keys = signer.verifierKeys
    var request = Consent_V1_CheckRequest()
    request.request = RequestReaderTests.asked
    var decisions: [Consent_V1_Decision] = []
    for _ in 0..<7 {
      decisions.append(
        try await ConsentService.check(desk.service, request, by: desk.caller).decision)
    }
    self.decisions = decisions
  }

  private var log: String { decisions[0].receipt.logID }

  private func checkpoint() async throws -> Checkpoint {
    let answer = try await ConsentService.getCheckpoint(
      desk.service, Consent_V1_GetCheckpointRequest(), by: desk.caller)
    #expect(answer.checkpoints.count == 1)
    #expect(answer.verifierKey == keys[0].text)
    return try Checkpoint(
      note: answer.checkpoints[0].note, origin: "consentd/\(RecordDesk.organization)/\(log)",
      keys: keys)
  }

  @Test func everyAnswerHasASignedReceipt() throws {
    for (leaf, decision) in decisions.enumerated() {
      let receipt = decision.receipt
      #expect(receipt.leafIndex == UInt64(leaf) && receipt.treeSize == UInt64(leaf + 1))
      let root = try #require(TreeHash(receipt.root))
      let state = Checkpoint(
        origin: "consentd/\(RecordDesk.organization)/\(log)", size: receipt.treeSize, root: root)
      let note = SignedNote(
        text: state.text,
        signatures: [
          .init(name: "node", keyHash: keys[0].keyHash, bytes: Array(receipt.signature))
        ])
      #expect(try note.verify(keys) == keys)
    }
  }

  @Test func everyDecisionIsProvenInTheNewestCheckpoint() async throws {
    let checkpoint = try await checkpoint()
    #expect(checkpoint.size == 7)
    for decision in decisions {
      var request = Consent_V1_ProveInclusionRequest()
      request.decisionID = decision.decisionID
      let proof = try await ConsentService.proveInclusion(desk.service, request, by: desk.caller)
      let leaf = try #require(TreeHash(proof.leafHash))
      try TreeHash.verifyInclusion(
        of: leaf, leaf: proof.leafIndex, size: proof.treeSize,
        path: proof.hashes.compactMap { TreeHash($0) }, root: checkpoint.root)
      var read = Consent_V1_GetDecisionRequest()
      read.decisionID = decision.decisionID
      let shown = try await ConsentService.getDecision(desk.service, read, by: desk.caller).response
      #expect(TreeHash.leaf(shown.logRecord) == leaf)
      #expect(shown.decision.decision.receipt == decision.receipt)
    }
  }

  @Test func everyEarlierReceiptIsConsistentWithTheNewestCheckpoint() async throws {
    let checkpoint = try await checkpoint()
    for decision in decisions {
      var request = Consent_V1_ProveConsistencyRequest()
      request.logID = log
      request.firstTreeSize = decision.receipt.treeSize
      let proof = try await ConsentService.proveConsistency(desk.service, request, by: desk.caller)
      try TreeHash.verifyConsistency(
        first: decision.receipt.treeSize,
        firstRoot: try #require(TreeHash(decision.receipt.root)), second: checkpoint.size,
        secondRoot: checkpoint.root, proof: proof.hashes.compactMap { TreeHash($0) })
      #expect(proof.firstRoot == decision.receipt.root)
      #expect(Array(proof.secondRoot) == checkpoint.root.bytes)
    }
  }

  @Test func whatIsNotThereIsNotProven() async throws {
    func refused(_ change: (inout Consent_V1_ProveInclusionRequest) -> Void) async -> String {
      var request = Consent_V1_ProveInclusionRequest()
      change(&request)
      do {
        _ = try await ConsentService.proveInclusion(desk.service, request, by: desk.caller)
        return "proven"
      } catch ServiceError.notFound {
        return "not found"
      } catch ServiceError.invalidArgument(let fields, _) {
        return fields.map(\.field).joined(separator: ",")
      } catch {
        return "\(error)"
      }
    }
    #expect(await refused { _ in } == "decision_id")
    #expect(await refused { $0.leafIndex = 0 } == "log_id")
    #expect(await refused { $0.decisionID = log + ":7" } == "not found")
    #expect(await refused { $0.decisionID = UUID().uuidString.lowercased() + ":0" } == "not found")
    #expect(
      await refused {
        $0.decisionID = log + ":0"
        $0.treeSize = 8
      } == "tree_size")
    #expect(
      await refused {
        $0.decisionID = log + ":5"
        $0.treeSize = 5
      } == "not found")
    var unknown = Consent_V1_GetCheckpointRequest()
    unknown.logID = UUID().uuidString
    await #expect(throws: ServiceError.self) {
      _ = try await ConsentService.getCheckpoint(desk.service, unknown, by: desk.caller)
    }
    var backwards = Consent_V1_ProveConsistencyRequest()
    backwards.logID = log
    backwards.firstTreeSize = 6
    backwards.secondTreeSize = 5
    await #expect(throws: ServiceError.self) {
      _ = try await ConsentService.proveConsistency(desk.service, backwards, by: desk.caller)
    }
  }
}
