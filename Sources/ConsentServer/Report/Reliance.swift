import ConsentCore
import ConsentProto
import ConsentStore
import Reporting
import SwiftProtobuf

extension ConsentService {
  /// Uses made under a grant before and after notice of its end, and what was made from its images.
  static func reliance(
    _ service: ConsentService, _ request: Consent_V1_RelianceRequest, by caller: Principal
  ) async throws -> Shown<Consent_V1_RelianceResponse> {
    let (subject, page) = try await service.page(request, by: caller) {
      $0.reliedSubject(request.subject)
    }
    let report = try await service.reports(of: caller).reliance(on: subject)
    let (uses, token) = try page.rows(of: report.uses, at: report.head.position)
    var response = Consent_V1_RelianceResponse()
    response.uses = uses.map(Consent_V1_ReliedUse.init)
    response.beforeNoticeCount = UInt64(clamping: report.beforeNotice)
    response.afterNoticeCount = UInt64(clamping: report.afterNotice)
    let derivatives = report.derivatives.prefix(1_000)
    response.derivatives = derivatives.map(Consent_V1_ImageKey.init)
    response.indexedThrough = Google_Protobuf_Timestamp(service.clock.now())
    response.nextPageToken = token
    response.position = Consent_V1_FeedPosition(report.head)
    return Shown(
      response, of: try await service.holders(of: uses.map(\.image) + derivatives, for: caller),
      subject: subject.access)
  }
}

extension RelianceSubject {
  fileprivate var access: AccessSubject {
    switch self {
    case .grant(let id): ["grant": id.description]
    case .revocation(let id): ["revocation": id.description]
    case .expiryEvent(let id): ["expiry-event": id.description]
    }
  }
}

extension RequestReader {
  fileprivate mutating func reliedSubject(
    _ subject: Consent_V1_RelianceRequest.OneOf_Subject?
  ) -> RelianceSubject? {
    switch subject {
    case nil:
      refuse("subject", "is required: a grant_id, a revocation_id or an expiry_event_id")
      return nil
    case .grantID(let text)?: return id(text, "grant_id").map(RelianceSubject.grant)
    case .revocationID(let text)?:
      return id(text, "revocation_id").map(RelianceSubject.revocation)
    case .expiryEventID(let text)?:
      return id(text, "expiry_event_id").map(RelianceSubject.expiryEvent)
    }
  }
}

extension Consent_V1_ReliedUse {
  init(_ use: RelianceReport.Use) {
    self.init()
    decisionID = use.decision.text
    decidedAt = Google_Protobuf_Timestamp(use.decided)
    grantID = use.grant.description
    image = Consent_V1_ImageKey(use.image)
    request = Consent_V1_UseRequest(use.request)
    afterNotice = use.isAfterNotice
  }
}
