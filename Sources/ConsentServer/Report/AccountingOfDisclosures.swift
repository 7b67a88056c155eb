import ConsentCore
import ConsentProto
import ConsentStore
import Reporting
import SwiftProtobuf

extension ConsentService {
  /// The disclosures of one patient that have to be accounted for (45 CFR 164.528).
  static func accountingOfDisclosures(
    _ service: ConsentService, _ request: Consent_V1_AccountingOfDisclosuresRequest,
    by caller: Principal
  ) async throws -> Shown<Consent_V1_AccountingOfDisclosuresResponse> {
    let ((name, period), page) = try await service.page(request, by: caller) {
      reader -> (PatientName, ReportPeriod)? in
      let name = reader.patient(request.hasPatient ? request.patient : nil, "patient", .required)
      let (from, until) = reader.period(request.hasPeriod ? request.period : nil, "period")
      return name.map { ($0, ReportPeriod(from: from, until: until)) }
    }
    guard let patient = try await service.resolve(name, for: caller) else {
      throw ServiceError.notFound(kind: "patient", name: "")
    }
    let report = try await service.reports(of: caller).accounting(of: patient, period)
    let (lines, token) = try page.rows(of: report.lines, at: report.head.position)
    let calendar = try service.calendars[caller.organization]
    var response = Consent_V1_AccountingOfDisclosuresResponse()
    response.lines = lines.map { Consent_V1_DisclosureLine($0, calendar: calendar) }
    response.total = UInt64(clamping: report.lines.count)
    response.period.from = Google_Protobuf_Timestamp(report.period.lowerBound)
    response.period.until = Google_Protobuf_Timestamp(report.period.upperBound)
    response.indexedThrough = Google_Protobuf_Timestamp(service.clock.now())
    response.nextPageToken = token
    response.position = Consent_V1_FeedPosition(report.head)
    return Shown(
      response, of: [patient],
      subject: ["period": AccessSubject.period(period.from, period.until)])
  }
}

extension Consent_V1_AccountingOfDisclosuresRequest: PagedReportRequest {}

extension Consent_V1_DisclosureLine {
  init(_ line: DisclosureLine, calendar: LocalCalendar) {
    self.init()
    disclosed = Consent_V1_SignedTime(
      line.stated ?? SignedTime(day: calendar.day(of: line.at), instant: line.at))
    if let recipient = line.recipient { self.recipient = Consent_V1_Party(recipient) }
    information = line.information
    purpose = line.purpose
    switch line.source {
    case .decision(let id):
      source = .decision
      decisionID = id.text
    case .useReport(let id, let decision):
      source = .useReport
      decisionID = decision?.text ?? ""
      record.kind = .useReport
      record.id = id.description
    case .recorded(let id):
      source = .recorded
      record.kind = .disclosure
      record.id = id.description
    }
  }
}
