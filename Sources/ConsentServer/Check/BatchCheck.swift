import ConsentCore
import ConsentProto
import ConsentStore

extension ConsentService {
  /// Decides several uses; each item stands for itself and is logged by itself. One that lacks a
  /// field is denied alone; one that cannot be read, or names no image, spoils the request.
  static func batchCheck(
    _ service: ConsentService, _ request: Consent_V1_BatchCheckRequest, by caller: Principal
  ) async throws -> Consent_V1_BatchCheckResponse {
    let now = service.clock.now()
    let deciding = try RequestReader.read { reader -> Deciding? in
      if request.requests.isEmpty { reader.refuse("requests", "is required: 1 to 1,000") }
      let questions = reader.each(request.requests, "requests", atMost: 1_000) {
        $0.question($1, now: now)
      }
      let position = reader.minPosition(request.hasMinPosition ? request.minPosition : nil)
      return Deciding(questions: questions, caller: caller, minPosition: position)
    }
    let answered = try await service.answer(deciding)
    var response = Consent_V1_BatchCheckResponse()
    response.decisions = zip(answered.logged, answered.visible(to: caller.limits)).map {
      Consent_V1_Decision(logged: $0, visible: $1)
    }
    if let head = answered.logged.map(\.head).min(by: { $0.position < $1.position }) {
      response.position = Consent_V1_FeedPosition(head)
    }
    return response
  }
}
