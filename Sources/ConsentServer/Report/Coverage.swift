import ConsentCore
import ConsentProto
import ConsentStore
import RPCServer
import Reporting
import SwiftProtobuf

extension ConsentService {
  /// How the images stand, for each use and audience: progress, then rows, then the summary.
  static func coverage(
    _ service: ConsentService, _ request: Consent_V1_CoverageRequest, by caller: Principal
  ) async throws -> ShownStream<Consent_V1_CoverageResponse> {
    let now = service.clock.now()
    let calendar = try service.calendars[caller.organization]
    let (query, position) = try RequestReader.read { reader in
      let position = reader.minPosition(request.hasMinPosition ? request.minPosition : nil)
      return reader.coverage(request, now: now, calendar: calendar).map { ($0, position) }
    }
    if let position {
      try await service.store.read(caller.organization) { try position.require(in: $0) }
    }
    let mask = try await service.reasonMask(for: caller)
    return ShownStream(patients: [], subject: query.subject) { writer in
      let report = try await service.reports(of: caller).coverage(query) { progress in
        try Task.checkCancellation()
        var message = Consent_V1_CoverageResponse()
        message.progress.imagesDone = UInt64(clamping: progress.imagesDone)
        message.progress.imagesTotal = progress.expectedImages
        try await writer.send(message)
      }
      let head = Consent_V1_FeedPosition(report.head)
      for row in report.rows {
        var message = Consent_V1_CoverageResponse()
        message.row = Consent_V1_CoverageRow(row, mask: mask)
        message.position = head
        try await writer.send(message)
      }
      var message = Consent_V1_CoverageResponse()
      message.summary = Consent_V1_CoverageSummary(report)
      message.position = head
      try await writer.send(message)
    }
  }
}

extension CoverageQuery {
  /// It counts everybody's images, and names nobody.
  fileprivate var subject: AccessSubject {
    [
      "uses": uses.elements.subject(\.name), "audiences": audiences.elements.subject(\.name),
      "by": dimensions.subject { "\($0)" }, "sites": sites.subject { $0 },
      "modalities": modalities.subject { $0 }, "departments": departments.subject { $0 },
      "as-of": asOf.map(AccessSubject.text),
    ]
  }
}

extension CoverageProgress {
  /// Images in all, as far as patients done tell; exact at the end.
  var expectedImages: UInt64 {
    guard patientsDone > 0, patientsTotal > patientsDone else {
      return UInt64(clamping: imagesDone)
    }
    return UInt64(Double(imagesDone) / Double(patientsDone) * Double(patientsTotal))
  }
}

extension RequestReader {
  fileprivate mutating func coverage(
    _ value: Consent_V1_CoverageRequest, now: Instant, calendar: LocalCalendar
  ) -> CoverageQuery? {
    let uses = set(value.uses, "uses", as: Use.self)
    let audiences = set(value.audiences, "audiences", as: Audience.self)
    let dimensions = each(value.dimensions, "dimensions", atMost: 16) {
      reader, dimension -> CoverageDimension? in
      switch dimension {
      case .site: return .site
      case .modality: return .modality
      case .department: return .department
      case .month: return .month
      case .unspecified, .UNRECOGNIZED:
        reader.refuse("is not a value that this version knows")
        return nil
      }
    }
    let (from, until) = period(value.hasAcquired ? value.acquired : nil, "acquired")
    let asOf = instant(value.hasAsOf ? value.asOf : nil, "as_of")
    if let asOf, asOf > now { refuse("as_of", "is in the future") }
    if value.hasExpiringDays { _ = number(value.expiringDays, "expiring_days", in: 0...3_660) }
    return CoverageQuery(
      uses: uses.isEmpty ? .all : uses, audiences: audiences.isEmpty ? .all : audiences,
      dimensions: Set(dimensions), sites: Set(value.sites), modalities: Set(value.modalities),
      departments: Set(value.departments), acquiredFrom: from.map(calendar.day(of:)),
      // The period ends before `until`: its last day is that of the instant before.
      acquiredThrough: until.map { calendar.day(of: $0.adding(microseconds: -1)) }, asOf: asOf,
      expiringDays: value.hasExpiringDays ? Int(value.expiringDays) : 30)
  }
}

extension Consent_V1_CoverageRow {
  init(_ row: CoverageReport.Row, mask: (Reason) -> Reason) {
    self.init()
    use = row.key.use.proto()
    audience = row.key.audience.proto()
    if let site = row.key.site.text { self.site = site }
    if let modality = row.key.modality.text { self.modality = modality }
    if let department = row.key.department.text { self.department = department }
    if case .value(let day) = row.key.month { month = Consent_V1_LocalDay(day) }
    images = UInt64(clamping: row.images)
    patients = UInt64(clamping: row.patients)
    counts = row.counts.map { standing, images in
      var count = Consent_V1_CoverageCount()
      count.class = standing.coverageClass.proto(isExpiring: standing.isExpiring)
      count.images = UInt64(clamping: images)
      if let reason = standing.coverageClass.reason { count.reason = mask(reason).proto() }
      if let element = standing.coverageClass.element { count.element = element.proto() }
      return count
    }.sorted { $0.order < $1.order }
  }
}

extension Consent_V1_CoverageCount {
  fileprivate var order: Int {
    (`class`.rawValue * 1_000 + reason.rawValue) * 1_000 + element.rawValue
  }
}

extension DimensionValue<String> {
  /// Absent: not broken down by it; empty: unknown.
  fileprivate var text: String? {
    switch self {
    case .all: nil
    case .unknown: ""
    case .value(let text): text
    }
  }
}

extension Consent_V1_CoverageSummary {
  init(_ report: CoverageReport) {
    self.init()
    asOf = Google_Protobuf_Timestamp(report.asOf)
    factsPosition = Consent_V1_FeedPosition(report.head)
    images = UInt64(clamping: report.images)
    patients = UInt64(clamping: report.patients)
    rows = UInt64(clamping: report.rows.count)
    policyVersion = UInt64(clamping: report.policyVersion)
  }
}
