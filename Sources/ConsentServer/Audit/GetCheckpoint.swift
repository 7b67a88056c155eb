import ConsentCore
import ConsentProto
import ConsentStore
import Foundation
import ProofLog
import SwiftProtobuf

extension ConsentService {
  /// Gives the signed checkpoints of the logs, of other nodes' too.
  ///
  /// Nothing is signed here: a root that is only read from the database may have been put there.
  /// Signatures are those that a log's own node made of what it had in memory, or those with which
  /// another node closed the log of one that died, whose text says so.
  static func getCheckpoint(
    _ service: ConsentService, _ request: Consent_V1_GetCheckpointRequest, by caller: Principal
  ) async throws -> Consent_V1_GetCheckpointResponse {
    let (log, position) = try RequestReader.read { reader in
      (
        request.hasLogID ? reader.logID(request.logID, "log_id") : nil,
        reader.minPosition(request.hasMinPosition ? request.minPosition : nil)
      )
    }
    return try await service.store.read(caller.organization) { reader in
      try position?.require(in: reader)
      let logs = try reader.logs(log.map { .one($0) } ?? .notEnded)
      if let log, logs.isEmpty {
        throw ServiceError.notFound(kind: "log", name: log.description)
      }
      var response = Consent_V1_GetCheckpointResponse()
      response.checkpoints = logs.map {
        Consent_V1_Checkpoint($0, organization: caller.organization)
      }
      let keys = Set(logs.flatMap { [$0.verifierKey?.text, $0.closing?.verifierKey.text] })
        .compactMap { $0 }
      response.verifierKey = keys.sorted().joined(separator: "\n")
      response.position = Consent_V1_FeedPosition(reader.head)
      return response
    }
  }
}

extension Consent_V1_Checkpoint {
  /// The newest signed state; without one the newest state, with no note.
  init(_ log: LogSummary, organization: OrganizationID) {
    self.init()
    let (size, root) = log.signed.map { ($0.size, $0.root) } ?? (log.size, log.root)
    if let closing = log.closing, closing.size > log.signed?.size ?? 0 {
      self = Consent_V1_Checkpoint(log, closing, organization: organization)
      return
    }
    logID = log.id.description
    treeSize = size
    self.root = Data(root.bytes)
    epoch = log.epoch
    signedAt = Google_Protobuf_Timestamp(log.recorded)
    ended = log.hasEnded
    guard let signed = log.signed, let key = log.verifierKey else { return }
    let checkpoint = Checkpoint(organization: organization, log: log.id, size: size, root: root)
    note =
      SignedNote(
        text: checkpoint.text,
        signatures: [.init(name: key.name, keyHash: key.keyHash, bytes: signed.signature)]
      ).formatted
  }
}

extension Consent_V1_Checkpoint {
  /// As another node closed it.
  private init(_ log: LogSummary, _ closing: LogClosing, organization: OrganizationID) {
    self.init()
    logID = log.id.description
    treeSize = closing.size
    root = Data(closing.root.bytes)
    epoch = log.epoch
    signedAt = Google_Protobuf_Timestamp(log.recorded)
    ended = log.hasEnded
    note = closing.note(organization: organization, log: log.id).formatted
  }
}

extension RequestReader {
  /// UUID text.
  mutating func logID(_ value: String, _ field: StaticString) -> ID<DecisionLog>? {
    guard let id = ID<DecisionLog>(value) else {
      refuse(field, "is not the UUID of a log, as in a receipt")
      return nil
    }
    return id
  }
}
