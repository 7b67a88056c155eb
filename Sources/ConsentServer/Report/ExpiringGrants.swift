import ConsentCore
import ConsentProto
import ConsentStore
import Reporting

extension ConsentService {
  /// Grants that end soon, as a contact work-list.
  static func expiringGrants(
    _ service: ConsentService, _ request: Consent_V1_ExpiringGrantsRequest, by caller: Principal
  ) async throws -> Shown<Consent_V1_ExpiringGrantsResponse> {
    let (query, page) = try await service.page(request, by: caller) {
      reader -> ExpiringGrantsQuery? in
      let days = request.withinDays == 0 ? 30 : request.withinDays
      return ExpiringGrantsQuery(
        withinDays: reader.number(days, "within_days", in: 1...3_660),
        uses: reader.set(request.uses, "uses"), withPart2Consents: caller.limits.seesPart2)
    }
    let report = try await service.reports(of: caller).expiringGrants(query)
    let (rows, token) = try page.rows(of: report.rows, at: report.head.position)
    var response = Consent_V1_ExpiringGrantsResponse()
    response.grants = rows.map { row in
      var told = Consent_V1_ExpiringGrant()
      told.grant = Consent_V1_Grant(
        row.grant, of: row.instrument, state: .active, until: row.ends)
      told.patientID = row.patient.description
      told.imageCount = UInt64(clamping: row.images)
      told.uncoveredCount = UInt64(clamping: row.uncovered)
      return told
    }
    response.total = UInt64(clamping: report.rows.count)
    response.nextPageToken = token
    response.position = Consent_V1_FeedPosition(report.head)
    return Shown(
      response, of: rows.map(\.patient),
      subject: [
        "within-days": String(query.withinDays), "uses": query.uses.elements.subject(\.name),
      ])
  }
}
