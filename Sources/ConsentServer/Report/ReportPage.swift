import ConsentProto
import ConsentStore
import SwiftProtobuf

/// A page of a report's rows: a report is made whole, for its totals, and told in pages.
struct ReportPage: Sendable {
  /// Where a report goes on. Rows are counted at the position they were made at; a report made
  /// again at another position is another list, and going on in it would skip or repeat rows.
  struct Place: Codable, Sendable {
    var offset: Int
    var position: UInt64
  }

  var size: Int
  var place: Place?
  var question: UInt64

  /// - Throws: `.aborted` if something was recorded since the first page.
  func rows<Row>(of all: [Row], at position: UInt64) throws -> (rows: [Row], nextToken: String) {
    if let place, place.position != position {
      throw ServiceError.aborted(
        "something was recorded since the first page; begin the report anew")
    }
    let begin = min(max(0, place?.offset ?? 0), all.count)
    let end = min(begin + size, all.count)
    let next = Place(offset: end, position: position)
    let token = end == all.count ? "" : PageToken(place: next, question: question).text
    return (Array(all[begin..<end]), token)
  }
}

/// The fields that the requests of paged reports share.
protocol PagedReportRequest: Message {
  var pageSize: UInt32 { get set }
  var pageToken: String { get set }
  var minPosition: Consent_V1_FeedPosition { get set }
  var hasMinPosition: Bool { get }
  mutating func clearMinPosition()
}

extension Consent_V1_ExpiringGrantsRequest: PagedReportRequest {}
extension Consent_V1_DenialsRequest: PagedReportRequest {}
extension Consent_V1_OverridesRequest: PagedReportRequest {}
extension Consent_V1_RelianceRequest: PagedReportRequest {}
extension Consent_V1_LateEntriesRequest: PagedReportRequest {}
extension Consent_V1_WhatIfRequest: PagedReportRequest {}

extension RequestReader {
  mutating func page(_ request: some PagedReportRequest) -> ReportPage {
    var asked = request
    asked.pageSize = 0
    asked.pageToken = ""
    asked.clearMinPosition()
    let question = PageToken<ReportPage.Place>.question(asked)
    return ReportPage(
      size: pageSize(request.pageSize),
      place: place(request.pageToken, of: question, as: ReportPage.Place.self), question: question)
  }
}

extension ConsentService {
  /// Reads the part of a request that all paged reports share, and waits for nothing: a position
  /// that is not reached is UNAVAILABLE.
  func page<Asked: Sendable>(
    _ request: some PagedReportRequest, by caller: Principal,
    _ body: (inout RequestReader) -> Asked?
  ) async throws -> (Asked, ReportPage) {
    let (asked, page, position) = try RequestReader.read { reader in
      let page = reader.page(request)
      let position = reader.minPosition(request.hasMinPosition ? request.minPosition : nil)
      return body(&reader).map { ($0, page, position) }
    }
    if let position {
      try await store.read(caller.organization) { try position.require(in: $0) }
    }
    return (asked, page)
  }
}
