import ConsentCore
import ConsentProto
import ConsentStore
import Reporting
import SwiftProtobuf

extension ConsentService {
  /// Emergency overrides, and which await review.
  static func overrides(
    _ service: ConsentService, _ request: Consent_V1_OverridesRequest, by caller: Principal
  ) async throws -> Shown<Consent_V1_OverridesResponse> {
    let (query, page) = try await service.page(request, by: caller) { reader -> OverridesQuery? in
      let (from, until) = reader.period(request.hasPeriod ? request.period : nil, "period")
      return OverridesQuery(
        period: ReportPeriod(from: from, until: until), awaitingReview: request.awaitingReview)
    }
    let report = try await service.reports(of: caller).overrides(query)
    let (rows, token) = try page.rows(of: report.rows, at: report.head.position)
    let mask = try await service.reasonMask(for: caller)
    var response = Consent_V1_OverridesResponse()
    response.overrides = rows.map { Consent_V1_OverrideRow($0, mask: mask) }
    response.total = UInt64(clamping: report.total)
    response.awaitingReview = UInt64(clamping: report.awaitingReview)
    response.indexedThrough = Google_Protobuf_Timestamp(service.clock.now())
    response.nextPageToken = token
    response.position = Consent_V1_FeedPosition(report.head)
    return Shown(
      response, of: rows.compactMap(\.patient),
      subject: ["period": AccessSubject.period(query.period.from, query.period.until)])
  }
}

extension Consent_V1_OverrideRow {
  init(_ row: OverridesReport.Row, mask: (Reason) -> Reason) {
    self.init()
    decisionID = row.decision.text
    usedAt = Google_Protobuf_Timestamp(row.used)
    if let actor = row.actor { self.actor = Consent_V1_Actor(actor) }
    image = Consent_V1_ImageKey(row.image)
    if let patient = row.patient { patientID = patient.description }
    if let attestation = row.attestation {
      self.attestation = Consent_V1_EmergencyAttestation(attestation)
    }
    if let denied = row.denied { deniedReason = mask(denied).proto() }
    if let by = row.reviewBy { reviewBy = Google_Protobuf_Timestamp(by) }
  }
}
