import ConsentCore
import ConsentProto
import ConsentStore
import Foundation
import ProofLog
import SwiftProtobuf

extension Consent_V1_Decision {
  /// - Parameters:
  ///   - decision: what the caller may see of it.
  ///   - request: the question, for what an answer repeats of it.
  init(_ decision: Decision, request: CheckRequest) {
    self.init()
    effect = decision.effect.proto()
    reason = decision.primary.proto()
    reasons = Consent_V1_ReasonDetail.list(decision)
    records = decision.records.map { Consent_V1_DecidingRecord($0, image: request.image) }
    obligations = decision.obligations.map { Consent_V1_Obligation($0, request: request) }
    if let until = decision.validUntil { validUntil = Google_Protobuf_Timestamp(until) }
    decidedAt = Google_Protobuf_Timestamp(decision.at)
    policyVersion = UInt64(clamping: decision.policyVersion)
    rulesVersion = UInt32(clamping: decision.rulesVersion)
  }

  /// A logged decision, with its id, its place in the log and the state it was taken on.
  init(logged: LoggedDecision, visible decision: Decision) {
    self.init(decision, request: logged.entry.request)
    position = Consent_V1_FeedPosition(logged.head)
    decisionID = logged.id.text
    receipt = Consent_V1_LogReceipt(logged.id, logged.receipt)
  }
}

extension Consent_V1_LogReceipt {
  /// - Parameter place: `nil` for what was logged before there were trees.
  init(_ id: DecisionID, _ place: LogReceipt?) {
    self.init()
    logID = id.log.description
    leafIndex = id.leaf
    guard let place else { return }
    treeSize = place.treeSize
    root = Data(place.root.bytes)
    epoch = place.epoch
    signature = Data(place.signature)
  }
}

extension Consent_V1_ImageDecision {
  init(_ decision: Decision, request: CheckRequest) {
    self.init()
    image = Consent_V1_ImageKey(request.image)
    effect = decision.effect.proto()
    reason = decision.primary.proto()
    reasons = Consent_V1_ReasonDetail.list(decision)
    records = decision.records.map { Consent_V1_DecidingRecord($0, image: request.image) }
    obligations = decision.obligations.map { Consent_V1_Obligation($0, request: request) }
    if let until = decision.validUntil { validUntil = Google_Protobuf_Timestamp(until) }
  }

  /// What the log keeps of a member that differs from its group's summary.
  init(_ differing: DecisionEntry.Differing) {
    self.init()
    image = Consent_V1_ImageKey(differing.image)
    effect = differing.effect.proto()
    reason = differing.reason.proto()
    reasons = [Consent_V1_ReasonDetail(differing.reason)]
  }
}

extension Consent_V1_ReasonDetail {
  init(_ reason: Reason, elements: [DefectElement] = [], field: String = "") {
    self.init()
    self.reason = reason.proto()
    sentence = reason.sentence
    paragraph = reason.paragraph
    self.elements = elements.map { $0.proto() }
    self.field = field
  }

  /// Every reason with its words, the primary one first.
  static func list(_ decision: Decision) -> [Consent_V1_ReasonDetail] {
    var details: [Consent_V1_ReasonDetail] = []
    details.reserveCapacity(1 + decision.further.count)
    details.append(detail(decision.primary, decision))
    for reason in decision.further { details.append(detail(reason, decision)) }
    return details
  }

  static func detail(
    _ reason: Reason, _ decision: Decision
  ) -> Consent_V1_ReasonDetail {
    var elements: [DefectElement] = []
    if reason == .authorizationIncomplete {
      for record in decision.records where record.reason == reason {
        for element in record.defects where !elements.contains(element) { elements.append(element) }
      }
    }
    return Consent_V1_ReasonDetail(
      reason, elements: elements, field: reason.lackingField?.description ?? "")
  }
}

extension Consent_V1_DecidingRecord {
  init(_ record: DecidingRecord, image: ImageKey?) {
    self.init()
    part = record.part.proto()
    self.record = Consent_V1_RecordReference(record.record, version: record.version, image: image)
    if let grant = record.grant { grantID = grant.description }
    reason = record.reason.proto()
    elements = record.defects.map { $0.proto() }
  }
}

extension Consent_V1_LoggedDecision {
  /// - Parameter decision: what the reader may see of it.
  init(_ logged: LoggedDecision, visible decision: Decision, restsOnError: Bool = false) {
    self.init()
    self.decision = Consent_V1_Decision(logged: logged, visible: decision)
    request = Consent_V1_UseRequest(logged.entry.request)
    system = logged.entry.caller
    // An answer on a de-identified image names no patient.
    if let patient = logged.entry.patient, logged.entry.decision.primary != .notPHIDeidentified {
      patientID = patient.description
    }
    if let group = logged.entry.group {
      differing = group.differing.map(Consent_V1_ImageDecision.init)
      imageCount = UInt32(clamping: group.images.count)
    }
    restsOnRecordInError = restsOnError
  }
}
