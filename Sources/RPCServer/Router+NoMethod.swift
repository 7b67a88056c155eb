extension Router {
  /// Stands in for the method of a call that is refused because it names none.
  static let noMethod = RPCMethod.bidirectional("/unknown.Unknown/Unknown") {
    (
      _: RequestStream<Google_Rpc_Status>, _, _: ResponseWriter<Google_Rpc_Status>
    ) in throw StandardErrors.noSuchMethod
  }
}
