import ConsentCore
import ConsentProto
import ConsentStore
import RPCServer

extension ConsentService {
  /// Decides a stream of uses, one after the other: back pressure reaches the caller, and each
  /// answer is as young as one of `Check`. A question that lacks a field is denied alone.
  func streamChecks(_ path: String) -> RPCMethod {
    .bidirectional(path) {
      (
        requests: RequestStream<Consent_V1_StreamChecksRequest>, context: CallContext,
        writer: ResponseWriter<Consent_V1_StreamChecksResponse>
      ) in
      let caller = try context.caller()
      try await rendered(path) {
        for try await request in requests {
          try await writer.send(try await streamedCheck(request, by: caller))
        }
      }
    }
  }

  func streamedCheck(
    _ request: Consent_V1_StreamChecksRequest, by caller: Principal
  ) async throws -> Consent_V1_StreamChecksResponse {
    let now = clock.now()
    let deciding = try RequestReader.read { reader -> Deciding? in
      let question = reader.within("request") { $0.question(request.request, now: now) }
      let position = reader.minPosition(request.hasMinPosition ? request.minPosition : nil)
      return question.map { Deciding(questions: [$0], caller: caller, minPosition: position) }
    }
    let answered = try await answer(deciding)
    guard let logged = answered.logged.first,
      let visible = answered.visible(to: caller.limits).first
    else { throw ServiceError.internalFault }
    var response = Consent_V1_StreamChecksResponse()
    response.sequence = request.sequence
    response.decision = Consent_V1_Decision(logged: logged, visible: visible)
    return response
  }
}
