import ConsentCore
import ConsentProto
import ConsentStore
import SwiftProtobuf

/// Tells events with what their kind adds: which grant ended and why, which patients were joined.
///
/// INVARIANT: no demographics; nothing of an override that the caller may not see of a decision.
struct EventDetails {
  let limits: CallerLimits

  /// The events of a stretch of the feed, in order.
  func events(_ rows: [FeedRow], in reader: any FactReader) throws -> [Consent_V1_Event] {
    let told = rows.compactMap { $0.event.needsFacts ? $0.event.patient : nil }
    let facts = told.isEmpty ? Facts() : try reader.facts(patients: Array(Set(told)), asOf: nil)
    return try rows.map { row in
      var event = Consent_V1_Event(row)
      try addDetail(to: &event, row, facts, reader)
      return event
    }
  }

  private func addDetail(
    to event: inout Consent_V1_Event, _ row: FeedRow, _ facts: Facts, _ reader: any FactReader
  ) throws {
    switch row.event.kind {
    case .grantExpired, .grantRevoked, .endedGrantRevoked:
      if let ended = grantEnded(row.event, facts) { event.grantEnded = ended }
    case .grantExpiringSoon:
      if let expiring = grantExpiring(row, facts) { event.grantExpiring = expiring }
    case .patientsMerged, .patientsUnmerged:
      if let joined = patientsJoined(row.event, facts) { event.patientsJoined = joined }
    case .emergencyOverrideUsed:
      if let used = try overrideUsed(row.event, reader) { event.overrideUsed = used }
    case .policyChanged:
      if let change = try policyChange(row.event, reader) { event.policyChange = change }
    default: break
    }
  }

  private func grantEnded(_ event: FeedEvent, _ facts: Facts) -> Consent_V1_GrantEnded? {
    guard let id = event.grants.first, let paper = facts.paper(holding: id) else { return nil }
    var ended = Consent_V1_GrantEnded()
    ended.grantID = id.description
    ended.grantVersion = UInt64(event.subject.split(separator: ":").last ?? "") ?? 1
    ended.instrumentID = paper.paper.id.description
    ended.endedAt = Google_Protobuf_Timestamp(event.occurred)
    switch (event.kind, paper.grant.expiry) {
    case (.grantExpired, .date): ended.reason = Reason.authorizationExpiredDate.proto()
    case (.grantExpired, _): ended.reason = Reason.authorizationExpiredEvent.proto()
    default: ended.reason = Reason.authorizationRevoked.proto()
    }
    return ended
  }

  private func grantExpiring(_ row: FeedRow, _ facts: Facts) -> Consent_V1_GrantExpiring? {
    guard let id = row.event.grants.first, let paper = facts.paper(holding: id),
      let ending = facts.ending(of: paper.grant, in: paper.paper)
    else { return nil }
    var expiring = Consent_V1_GrantExpiring()
    expiring.grantID = id.description
    expiring.instrumentID = paper.paper.id.description
    expiring.endsAt = Google_Protobuf_Timestamp(ending.ended)
    let lead = ending.ended.microseconds &- row.event.occurred.microseconds
    let days = lead / .microsecondsPerDay + (lead % .microsecondsPerDay > 0 ? 1 : 0)
    expiring.leadDays = UInt32(clamping: days)
    return expiring
  }

  private func patientsJoined(_ event: FeedEvent, _ facts: Facts) -> Consent_V1_PatientsJoined? {
    guard let record = event.record else { return nil }
    let unmerged = facts.unmerges.first { $0.id.retyped() == record.id }
    let id: ID<PatientMerge> = unmerged?.merge ?? record.id.retyped()
    guard let merge = facts.merges.first(where: { $0.id == id }) else { return nil }
    var joined = Consent_V1_PatientsJoined()
    joined.mergeID = merge.id.description
    joined.survivingPatientID = merge.survivor.description
    joined.mergedPatientID = merge.merged.description
    return joined
  }

  private func overrideUsed(
    _ event: FeedEvent, _ reader: any FactReader
  ) throws -> Consent_V1_OverrideUsed? {
    guard let id = DecisionID(text: event.subject), let logged = try reader.decision(id) else {
      return nil
    }
    let facts = try reader.facts(images: [logged.entry.request.image], asOf: nil)
    let decision = logged.entry.decision.masked(
      for: limits, holdsPart2: facts.organizationHoldsPart2)
    var used = Consent_V1_OverrideUsed()
    used.decisionID = id.text
    if let denied = decision.further.first { used.deniedReason = denied.proto() }
    for case .reviewWithin(let hours) in decision.obligations {
      let by = decision.at.adding(microseconds: Int64(hours) * .microsecondsPerHour)
      used.reviewBy = Google_Protobuf_Timestamp(by)
    }
    return used
  }

  private func policyChange(
    _ event: FeedEvent, _ reader: any FactReader
  ) throws -> Consent_V1_PolicyChange? {
    guard let record = event.record else { return nil }
    let policies = try reader.organizationFacts(asOf: nil).policies
    guard let policy = policies.first(where: { $0.recordID == record.id }) else { return nil }
    var change = Consent_V1_PolicyChange()
    change.policyVersion = UInt64(clamping: policy.version)
    change.effectiveFrom = Google_Protobuf_Timestamp(policy.effective)
    return change
  }
}

extension FeedEvent {
  /// Whether the detail is read from the patient's records.
  fileprivate var needsFacts: Bool {
    switch kind {
    case .grantExpired, .grantRevoked, .endedGrantRevoked, .grantExpiringSoon, .patientsMerged,
      .patientsUnmerged:
      true
    default: false
    }
  }

  /// Whether telling of it takes more than the row.
  var hasDetail: Bool {
    needsFacts || kind == .emergencyOverrideUsed || kind == .policyChanged
  }
}

extension Facts {
  /// The paper in which a grant stands.
  func paper(holding id: GrantID) -> (paper: Instrument, grant: Grant)? {
    for paper in instruments {
      if let grant = paper.grants.first(where: { $0.id == id }) { return (paper, grant) }
    }
    return nil
  }
}
