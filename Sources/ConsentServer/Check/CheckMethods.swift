import RPCServer

extension ConsentService {
  /// `consent.v1.CheckService`.
  var checkMethods: [RPCMethod] {
    let service = "/consent.v1.CheckService/"
    return [
      checkMethod(service + "Check"),
      unary(service + "BatchCheck", Self.batchCheck),
      unary(service + "CheckGroup", Self.checkGroup),
      showing(service + "Explain", Self.explain),
      showing(service + "ListPermittedImages", Self.listPermittedImages),
      unary(service + "ReportUse", Self.reportUse),
      streamChecks(service + "StreamChecks"),
    ]
  }
}
