import ConsentProto
import RPCServer
import Reporting

extension ConsentService {
  /// `consent.v1.ReportService`.
  var reportMethods: [RPCMethod] {
    let service = "/consent.v1.ReportService/"
    return [
      streaming(service + "Coverage", Self.coverage),
      unary(service + "ExpiringGrants", Self.expiringGrants),
      unary(service + "Denials", Self.denials),
      unary(service + "Overrides", Self.overrides),
      unary(service + "Reliance", Self.reliance),
      unary(service + "LateEntries", Self.lateEntries),
      unary(service + "WhatIf", Self.whatIf),
      unary(service + "AccountingOfDisclosures", Self.accountingOfDisclosures),
    ]
  }

  func reports(of caller: Principal) -> Reports {
    Reports(store: store, organization: caller.organization)
  }
}
