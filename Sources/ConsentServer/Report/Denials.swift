import ConsentCore
import ConsentProto
import ConsentStore
import Reporting
import SwiftProtobuf

extension ConsentService {
  /// What was denied, by reason, image, actor or channel.
  static func denials(
    _ service: ConsentService, _ request: Consent_V1_DenialsRequest, by caller: Principal
  ) async throws -> Shown<Consent_V1_DenialsResponse> {
    let now = service.clock.now()
    let ((query, patient), page) = try await service.page(request, by: caller) {
      $0.denials(request, now: now)
    }
    var asked = query
    asked.patient = try await service.resolve(patient, for: caller)
    let report = try await service.reports(of: caller).denials(
      asked, shown: service.reasonMask(for: caller))
    let (rows, token) = try page.rows(of: report.rows, at: report.head.position)
    var response = Consent_V1_DenialsResponse()
    response.rows = rows.map { row in
      var told = Consent_V1_DenialRow()
      if let reason = row.key.reason { told.reason = reason.proto() }
      if let image = row.key.image { told.image = Consent_V1_ImageKey(image) }
      if let actor = row.key.actor { told.actor = Consent_V1_Identifier(actor) }
      if let channel = row.key.channel { told.channel = channel.proto() }
      told.count = UInt64(clamping: row.count)
      told.lastAt = Google_Protobuf_Timestamp(row.lastAt)
      told.lastDecisionID = row.last.text
      return told
    }
    response.denials = UInt64(clamping: report.denials)
    response.decisions = UInt64(clamping: report.answers)
    response.indexedThrough = Google_Protobuf_Timestamp(now)
    response.nextPageToken = token
    response.position = Consent_V1_FeedPosition(report.head)
    let images = rows.compactMap(\.key.image)
    return Shown(
      response,
      of: try await service.holders(of: images, for: caller).union(
        asked.patient.map { [$0] } ?? []),
      subject: [
        "period": AccessSubject.period(query.period.from, query.period.until),
        "by": query.dimensions.subject { "\($0)" }, "reasons": query.reasons.subject(\.name),
      ])
  }

  /// The patient a report is about; `nil` for every one.
  func resolve(_ patient: PatientName?, for caller: Principal) async throws -> PatientID? {
    guard let patient else { return nil }
    return try await store.read(caller.organization) { try patient.one(in: $0) }
  }

  /// What a caller may see of a reason (42 CFR 2.13(c)(2)).
  func reasonMask(for caller: Principal) async throws -> @Sendable (Reason) -> Reason {
    if caller.limits.seesPart2 { return { $0 } }
    let holdsPart2 = try await store.read(caller.organization) {
      try $0.organizationFacts(asOf: nil).organizationHoldsPart2
    }
    return { reason in
      Decision(effect: .deny, primary: reason, at: .distantPast)
        .masked(for: caller.limits, holdsPart2: holdsPart2).primary
    }
  }
}

extension RequestReader {
  fileprivate mutating func denials(
    _ value: Consent_V1_DenialsRequest, now: Instant
  ) -> (DenialsQuery, PatientName?)? {
    let period = reportPeriod(value.hasPeriod ? value.period : nil, "period", now: now)
    let dimensions = each(value.dimensions, "dimensions", atMost: 16) {
      reader, dimension -> DenialDimension? in
      switch dimension {
      case .reason: return .reason
      case .image: return .image
      case .actor: return .actor
      case .channel: return .channel
      case .unspecified, .UNRECOGNIZED:
        reader.refuse("is not a value that this version knows")
        return nil
      }
    }
    let reasons = words(value.reasons, "reasons", as: Reason.self)
    let patient = patient(value.hasPatient ? value.patient : nil, "patient")
    let query = DenialsQuery(
      period: period, dimensions: dimensions.isEmpty ? [.reason] : Set(dimensions),
      reasons: Set(reasons), withPreviews: value.withPreviews)
    return (query, patient)
  }

  /// The period stated, or the last 30 days.
  mutating func reportPeriod(
    _ value: Consent_V1_Period?, _ field: StaticString, now: Instant
  ) -> ReportPeriod {
    guard let value else {
      return ReportPeriod(from: now.adding(microseconds: -30 * .microsecondsPerDay))
    }
    let (from, until) = period(value, field)
    return ReportPeriod(from: from, until: until)
  }
}
