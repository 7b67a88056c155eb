import ConsentCore
import ConsentProto
import ConsentStore
import Reporting

extension ConsentService {
  /// What a revocation today would touch. Nothing is recorded.
  static func whatIf(
    _ service: ConsentService, _ request: Consent_V1_WhatIfRequest, by caller: Principal
  ) async throws -> Shown<Consent_V1_WhatIfResponse> {
    let (asked, page) = try await service.page(request, by: caller) {
      $0.revocationTarget(request.target)
    }
    let target: WhatIfTarget
    switch asked {
    case .known(let known): target = known
    case .patient(let name):
      target = .patient(try await service.store.read(caller.organization) { try name.one(in: $0) })
    }
    let report = try await service.reports(of: caller).whatIf(revoking: target)
    let (touched, token) = try page.rows(of: report.touched, at: report.head.position)
    let mask = try await service.reasonMask(for: caller)
    var response = Consent_V1_WhatIfResponse()
    response.images = touched.map { Consent_V1_TouchedImage($0, mask: mask) }
    response.imageCount = UInt64(clamping: report.images)
    response.losingCount = UInt64(clamping: report.losing)
    response.relianceCount = UInt64(clamping: report.reliedUses)
    response.derivatives = report.derivatives.prefix(1_000).map(Consent_V1_ImageKey.init)
    response.nextPageToken = token
    response.position = Consent_V1_FeedPosition(report.head)
    return Shown(response, of: [report.patient], subject: target.access)
  }
}

extension WhatIfTarget {
  fileprivate var access: AccessSubject {
    switch self {
    case .grant(let id): ["grant": id.description]
    case .instrument(let id): ["instrument": id.description]
    case .patient: [:]
    }
  }
}

private enum AskedTarget: Sendable {
  case known(WhatIfTarget)
  case patient(PatientName)
}

extension RequestReader {
  fileprivate mutating func revocationTarget(
    _ target: Consent_V1_WhatIfRequest.OneOf_Target?
  ) -> AskedTarget? {
    switch target {
    case nil:
      refuse("target", "is required: a grant_id, an instrument_id or a patient")
      return nil
    case .grantID(let text)?: return id(text, "grant_id").map { .known(.grant($0)) }
    case .instrumentID(let text)?: return id(text, "instrument_id").map { .known(.instrument($0)) }
    case .patient(let reference)?:
      return patient(reference, "patient", .required).map { .patient($0) }
    }
  }
}

extension Consent_V1_TouchedImage {
  init(_ touched: WhatIfReport.Touched, mask: (Reason) -> Reason) {
    self.init()
    image = Consent_V1_ImageKey(touched.image)
    use = touched.use.proto()
    audience = touched.audience.proto()
    effectAfter = touched.after.isCovered ? .permit : .deny
    if let reason = touched.after.reason { reasonAfter = mask(reason).proto() }
    remainingGrantIds = touched.remaining.map(\.description)
  }
}
