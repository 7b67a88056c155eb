import ArgumentParser
import ConsentProto
import ConsentStore
import Foundation
import ProofLog
import SwiftProtobuf

struct VerifyReceiptCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "receipt",
    abstract: "Checks that the decision of a receipt is in the log that a checkpoint states.",
    discussion: """
      The answer of a check, the checkpoint and the proof, each in a file; the answer and the proof
      as JSON. With the log record (the answer of GetDecision as JSON), also that it is the leaf.

      Example:
        consentctl verify receipt --answer answer.json --checkpoint checkpoint.txt \\
          --proof proof.json --key-file keys.txt
      """)

  @Option(help: "JSON of CheckResponse or Decision.") var answer: String
  @Option(help: "The signed checkpoint of the log; those of other logs may be with it.")
  var checkpoint: String
  @Option(help: "JSON of ProveInclusionResponse, of the checkpoint's size.") var proof: String
  @Option(help: "JSON of GetDecisionResponse.") var record: String?
  @OptionGroup var trust: TrustOptions
  @Flag(help: "Print JSON instead of text.") var json = false

  func run() async throws {
    try await verifying(json: json) {
      let keys = try trust.requiredKeys()
      let decision = try Self.decision(in: answer)
      let receipt = decision.receipt
      let checkpoint = try CheckpointFile.one(of: receipt.logID, checkpoint, keys: keys)
      let proof = try Consent_V1_ProveInclusionResponse(jsonFile: proof)
      guard checkpoint.origin.hasSuffix("/" + receipt.logID), proof.logID == receipt.logID else {
        throw Refuted("receipt, proof and checkpoint are not of one log")
      }
      guard proof.leafIndex == receipt.leafIndex,
        decision.decisionID == "\(receipt.logID):\(receipt.leafIndex)"
      else { throw Refuted("receipt and proof are not of one leaf") }
      try Self.verifySignature(receipt, origin: checkpoint.origin, keys: keys)
      try Self.verify(proof, against: checkpoint)
      if let record {
        let read = try Consent_V1_GetDecisionResponse(jsonFile: record)
        guard TreeHash.leaf(read.logRecord).bytes == Array(proof.leafHash) else {
          throw Refuted("the log record is not the leaf that was proven")
        }
      }
      return (
        "verified: decision \(decision.decisionID) is leaf \(receipt.leafIndex) of the "
          + "\(checkpoint.size) that the checkpoint states",
        [("decision", quoted(decision.decisionID)), ("tree_size", "\(checkpoint.size)")]
      )
    }
  }

  private static func decision(in path: String) throws -> Consent_V1_Decision {
    if let whole = try? Consent_V1_CheckResponse(jsonFile: path), whole.hasDecision {
      return whole.decision
    }
    let decision = try Consent_V1_Decision(jsonFile: path)
    guard decision.hasReceipt else { throw CommandFailure.usage("\(path) holds no receipt") }
    return decision
  }

  /// A receipt without signature is told to be so: what proves is then the checkpoint alone.
  private static func verifySignature(
    _ receipt: Consent_V1_LogReceipt, origin: String, keys: [VerifierKey]
  ) throws {
    guard !receipt.signature.isEmpty else { return }
    guard let root = TreeHash(receipt.root) else { throw Refuted("the receipt's root is no hash") }
    let state = Checkpoint(origin: origin, size: receipt.treeSize, root: root)
    let holds = keys.contains { key in
      let note = SignedNote(
        text: state.text,
        signatures: [.init(name: key.name, keyHash: key.keyHash, bytes: Array(receipt.signature))])
      return (try? note.verify([key])) != nil
    }
    guard holds else { throw Refuted("no given key made the receipt's signature") }
  }

  private static func verify(
    _ proof: Consent_V1_ProveInclusionResponse, against checkpoint: Checkpoint
  ) throws {
    guard proof.treeSize == checkpoint.size else {
      throw Refuted(
        "the proof is for \(proof.treeSize) leaves and the checkpoint states \(checkpoint.size); "
          + "ask for the proof with --size \(checkpoint.size)")
    }
    let path = proof.hashes.compactMap { TreeHash($0) }
    guard path.count == proof.hashes.count, let leaf = TreeHash(proof.leafHash) else {
      throw Refuted("the proof holds something else than hashes")
    }
    do {
      try TreeHash.verifyInclusion(
        of: leaf, leaf: proof.leafIndex, size: proof.treeSize, path: path, root: checkpoint.root)
    } catch {
      throw Refuted("the proof does not lead to the checkpoint's root")
    }
  }
}

struct VerifyConsistencyCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "consistency",
    abstract: "Checks that of two checkpoints of a log the later one only adds to the earlier one.",
    discussion: """
      Example:
        consentctl verify consistency --first monday.txt --second friday.txt \\
          --proof consistency.json --key-file keys.txt
      """)

  @Option(help: "The earlier signed checkpoint.") var first: String
  @Option(help: "The later signed checkpoint.") var second: String
  @Option(help: "JSON of ProveConsistencyResponse between their sizes.") var proof: String
  @OptionGroup var trust: TrustOptions
  @Flag(help: "Print JSON instead of text.") var json = false

  func run() async throws {
    try await verifying(json: json) {
      let keys = try trust.requiredKeys()
      let read = try Consent_V1_ProveConsistencyResponse(jsonFile: proof)
      let (old, new) = (
        try CheckpointFile.one(of: read.logID, first, keys: keys),
        try CheckpointFile.one(of: read.logID, second, keys: keys)
      )
      guard old.origin == new.origin else { throw Refuted("the checkpoints are of two logs") }
      guard old.size <= new.size else {
        throw Refuted("the later checkpoint has fewer leaves: the log was rolled back")
      }
      let hashes = read.hashes.compactMap { TreeHash($0) }
      guard read.firstTreeSize == old.size, read.secondTreeSize == new.size,
        hashes.count == read.hashes.count
      else { throw Refuted("the proof is not between these two checkpoints") }
      do {
        try TreeHash.verifyConsistency(
          first: old.size, firstRoot: old.root, second: new.size, secondRoot: new.root,
          proof: hashes)
      } catch {
        throw Refuted("the proof does not lead from one root to the other: the log was forked")
      }
      return (
        "verified: the log only grew, from \(old.size) to \(new.size) leaves",
        [("first_tree_size", "\(old.size)"), ("second_tree_size", "\(new.size)")]
      )
    }
  }
}

extension Message {
  /// Proto JSON in a file.
  init(jsonFile path: String) throws {
    do {
      try self.init(jsonString: TextFile.read(path))
    } catch let failure as CommandFailure {
      throw failure
    } catch {
      throw CommandFailure.usage("\(path) is not the JSON of \(Self.protoMessageName)")
    }
  }
}
