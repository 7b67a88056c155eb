import ConsentCore
import ConsentProto
import ConsentStore
import RPCServer
import Reporting

extension ConsentService {
  /// `consent.v1.ReportService`.
  var reportMethods: [RPCMethod] {
    let service = "/consent.v1.ReportService/"
    return [
      showingStream(service + "Coverage", Self.coverage),
      showing(service + "ExpiringGrants", Self.expiringGrants),
      showing(service + "Denials", Self.denials),
      showing(service + "Overrides", Self.overrides),
      showing(service + "Reliance", Self.reliance),
      showing(service + "LateEntries", Self.lateEntries),
      showing(service + "WhatIf", Self.whatIf),
      showing(service + "AccountingOfDisclosures", Self.accountingOfDisclosures),
    ]
  }

  /// Whose images these are, of those that are anybody's: a report that tells images names their
  /// patients in its access.
  func holders(of images: [ImageKey], for caller: Principal) async throws -> Set<PatientID> {
    guard !images.isEmpty else { return [] }
    let keys = Set(images)
    return try await store.read(caller.organization) { reader in
      let facts = try reader.facts(images: keys.sorted(), asOf: nil)
      return Set(keys.compactMap { facts.current($0)?.patient })
    }
  }

  func reports(of caller: Principal) -> Reports {
    Reports(store: store, organization: caller.organization)
  }
}
