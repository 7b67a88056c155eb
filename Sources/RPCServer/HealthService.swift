import RPCWire

/// `grpc.health.v1.Health` over a `HealthState`.
///
/// - Source: grpc/grpc `doc/health-checking.md`.
enum HealthService {
  static func methods(_ state: HealthState) -> [RPCMethod] {
    [
      .inlineUnary("/grpc.health.v1.Health/Check", noSideEffects: true) {
        (request: Grpc_Health_V1_HealthCheckRequest, _) throws(RPCError) in
        let status = state.status(of: request.service)
        guard status != .serviceUnknown else {
          throw RPCError(.notFound, "no such service; ask with an empty name for the server")
        }
        return response(status)
      },
      .serverStreaming("/grpc.health.v1.Health/Watch") {
        (
          request: Grpc_Health_V1_HealthCheckRequest, _,
          writer: ResponseWriter<Grpc_Health_V1_HealthCheckResponse>
        ) in
        var last: HealthState.Status?
        for await status in state.watch(request.service) where status != last {
          last = status
          try await writer.send(response(status))
        }
        try Task.checkCancellation()
        throw RPCError(.unavailable, "the server is shutting down; watch another one")
      },
    ]
  }

  private static func response(_ status: HealthState.Status) -> Grpc_Health_V1_HealthCheckResponse {
    var response = Grpc_Health_V1_HealthCheckResponse()
    response.status =
      switch status {
      case .unknown: .unknown
      case .serving: .serving
      case .notServing: .notServing
      case .serviceUnknown: .serviceUnknown
      }
    return response
  }
}
