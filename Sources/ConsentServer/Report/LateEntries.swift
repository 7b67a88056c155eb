import ConsentCore
import ConsentProto
import ConsentStore
import Reporting
import SwiftProtobuf

extension ConsentService {
  /// Papers recorded long after signing or receipt, and records entered in error.
  static func lateEntries(
    _ service: ConsentService, _ request: Consent_V1_LateEntriesRequest, by caller: Principal
  ) async throws -> Shown<Consent_V1_LateEntriesResponse> {
    let now = service.clock.now()
    let (query, page) = try await service.page(request, by: caller) { reader in
      reader.lateEntries(request, now: now, by: caller)
    }
    let report = try await service.reports(of: caller).lateEntries(query)
    let (entries, token) = try page.rows(of: report.entries, at: report.head.position)
    var response = Consent_V1_LateEntriesResponse()
    response.entries = entries.map(Consent_V1_LateEntry.init)
    response.total = UInt64(clamping: report.entries.count)
    response.recorded = UInt64(clamping: report.papers)
    response.nextPageToken = token
    response.position = Consent_V1_FeedPosition(report.head)
    return Shown(
      response, of: entries.compactMap(\.patient),
      subject: [
        "recorded": AccessSubject.period(query.recorded.from, query.recorded.until),
        "late-days": String(query.lateDays),
      ])
  }
}

extension RequestReader {
  fileprivate mutating func lateEntries(
    _ value: Consent_V1_LateEntriesRequest, now: Instant, by caller: Principal
  ) -> LateEntriesQuery? {
    let recorded = reportPeriod(value.hasRecorded ? value.recorded : nil, "recorded", now: now)
    let by = identifier(value.hasRecordedBy ? value.recordedBy : nil, "recorded_by")
    guard value.lateDays <= 36_525 else {
      refuse("late_days", "is more than 36,525")
      return nil
    }
    return LateEntriesQuery(
      recorded: recorded, lateDays: value.lateDays == 0 ? 7 : Int(value.lateDays),
      recordedBy: by?.value, withPart2Consents: caller.limits.seesPart2)
  }
}

extension Consent_V1_LateEntry {
  init(_ entry: LateEntriesReport.Entry) {
    self.init()
    record = Consent_V1_RecordReference(entry.record)
    recordedBy.value = entry.recordedBy
    if let signed = entry.signed { self.signed = Consent_V1_SignedTime(signed) }
    if let received = entry.received { receivedAt = Google_Protobuf_Timestamp(received) }
    recordedAt = Google_Protobuf_Timestamp(entry.recorded)
    if let error = entry.enteredInError { enteredInErrorAt = Google_Protobuf_Timestamp(error) }
    affectedDecisionCount = UInt64(clamping: entry.affectedUses)
  }
}
