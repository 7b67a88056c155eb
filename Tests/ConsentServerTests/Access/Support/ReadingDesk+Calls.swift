import ConsentProto
import SwiftProtobuf

@testable import ConsentServer

extension ReadingDesk {
  /// One call of each method that shows records.
  var calls: [ReadCall] { recordCalls + trials + checkCalls + reportCalls + auditCalls }

  private func asking<Request: Message>(_ change: (inout Request) -> Void) -> Request {
    var request = Request()
    change(&request)
    return request
  }

  private var recordCalls: [ReadCall] {
    [
      .unary(
        "RecordService/GetPatientHistory", [first],
        asking { (r: inout Consent_V1_GetPatientHistoryRequest) in r.patient.patientID = first },
        Consent_V1_GetPatientHistoryResponse.self),
      .unary(
        "RecordService/FindPatients", [second],
        asking { (r: inout Consent_V1_FindPatientsRequest) in
          r.identifier = RecordDesk.identifier("P-2")
        }, Consent_V1_FindPatientsResponse.self),
      .unary(
        "RecordService/GetImage", [first],
        asking { (r: inout Consent_V1_GetImageRequest) in r.image = RecordDesk.key(Self.image) },
        Consent_V1_GetImageResponse.self),
      .unary(
        "RecordService/ListImages", [first, second],
        asking { (r: inout Consent_V1_ListImagesRequest) in r.studyInstanceUid = "1.2.3" },
        Consent_V1_ListImagesResponse.self),
      .unary(
        "RecordService/GetInstrument", [first],
        asking { (r: inout Consent_V1_GetInstrumentRequest) in r.instrumentID = instrument },
        Consent_V1_GetInstrumentResponse.self),
      // Nothing is shown of the second patient; that there is nothing is told all the same.
      .unary(
        "RecordService/ListInstruments", [second],
        asking { (r: inout Consent_V1_ListInstrumentsRequest) in r.patient.patientID = second },
        Consent_V1_ListInstrumentsResponse.self),
    ]
  }

  private var trials: [ReadCall] {
    var revocation = desk.revocation(first, [grant])
    revocation.validateOnly = true
    return [
      .unary(
        "RecordService/RecordInstrument", [first],
        desk.request(first, RecordDesk.paper(), validateOnly: true),
        Consent_V1_RecordInstrumentResponse.self),
      .unary("RecordService/Revoke", [first], revocation, Consent_V1_RevokeResponse.self),
    ]
  }

  private var checkCalls: [ReadCall] {
    [
      .unary(
        "CheckService/Explain", [first],
        asking { (r: inout Consent_V1_ExplainRequest) in r.decisionID = decision },
        Consent_V1_ExplainResponse.self),
      .unary(
        "CheckService/ListPermittedImages", [first],
        asking { (r: inout Consent_V1_ListPermittedImagesRequest) in
          r.use = .education
          r.audience = .external
        }, Consent_V1_ListPermittedImagesResponse.self),
    ]
  }

  private var reportCalls: [ReadCall] {
    [
      .stream(
        "ReportService/Coverage", [], Consent_V1_CoverageRequest(),
        Consent_V1_CoverageResponse.self),
      .unary(
        "ReportService/ExpiringGrants", [first],
        asking { (r: inout Consent_V1_ExpiringGrantsRequest) in r.withinDays = 3_000 },
        Consent_V1_ExpiringGrantsResponse.self),
      .unary(
        "ReportService/Denials", [second],
        asking { (r: inout Consent_V1_DenialsRequest) in r.dimensions = [.image] },
        Consent_V1_DenialsResponse.self),
      .unary(
        "ReportService/Overrides", [], Consent_V1_OverridesRequest(),
        Consent_V1_OverridesResponse.self),
      .unary(
        "ReportService/Reliance", [first],
        asking { (r: inout Consent_V1_RelianceRequest) in r.grantID = grant },
        Consent_V1_RelianceResponse.self),
      .unary(
        "ReportService/LateEntries", [first],
        asking { (r: inout Consent_V1_LateEntriesRequest) in r.lateDays = 7 },
        Consent_V1_LateEntriesResponse.self),
      .unary(
        "ReportService/AccountingOfDisclosures", [second],
        asking { (r: inout Consent_V1_AccountingOfDisclosuresRequest) in
          r.patient.patientID = second
        }, Consent_V1_AccountingOfDisclosuresResponse.self),
      .unary(
        "ReportService/WhatIf", [first],
        asking { (r: inout Consent_V1_WhatIfRequest) in r.grantID = grant },
        Consent_V1_WhatIfResponse.self),
    ]
  }

  private var auditCalls: [ReadCall] {
    [
      .unary(
        "AuditService/GetDecision", [first],
        asking { (r: inout Consent_V1_GetDecisionRequest) in r.decisionID = decision },
        Consent_V1_GetDecisionResponse.self),
      .unary(
        "AuditService/ListDecisions", [first, second], Consent_V1_ListDecisionsRequest(),
        Consent_V1_ListDecisionsResponse.self),
      .unary(
        "AuditService/ListAccesses", [second],
        asking { (r: inout Consent_V1_ListAccessesRequest) in r.patient.patientID = second },
        Consent_V1_ListAccessesResponse.self),
      .unary(
        "EventService/ListEvents", [first, second], Consent_V1_ListEventsRequest(),
        Consent_V1_ListEventsResponse.self),
      .stream(
        "EventService/Watch", [second],
        asking { (r: inout Consent_V1_WatchRequest) in r.filter.patientIds = [second] },
        Consent_V1_WatchResponse.self),
    ]
  }
}
