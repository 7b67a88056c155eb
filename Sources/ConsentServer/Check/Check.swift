import ConsentCore
import ConsentProto
import ConsentStore

extension ConsentService {
  /// Decides one use of one image, now.
  ///
  /// - Throws: INVALID_ARGUMENT naming each lacking or unreadable field, with the first reason a
  ///   decision would give in `ErrorInfo`; that is counted, and is no decision.
  static func check(
    _ service: ConsentService, _ request: Consent_V1_CheckRequest, by caller: Principal
  ) async throws -> Consent_V1_CheckResponse {
    let now = service.clock.now()
    let deciding = try RequestReader.read { reader -> Deciding? in
      let question = reader.within("request") { $0.completeQuestion(request.request, now: now) }
      let position = reader.minPosition(request.hasMinPosition ? request.minPosition : nil)
      return question.map { Deciding(questions: [$0], caller: caller, minPosition: position) }
    }
    let answered = try await service.answer(deciding)
    guard let logged = answered.logged.first,
      let visible = answered.visible(to: caller.limits).first
    else { throw ServiceError.internalFault }
    var response = Consent_V1_CheckResponse()
    response.decision = Consent_V1_Decision(logged: logged, visible: visible)
    return response
  }
}

extension RequestReader {
  /// A question that states all that a decision asks for; each thing it lacks is a violation, in
  /// the order of the reasons.
  ///
  /// INVARIANT: a question read without violation has no `missingFields`.
  mutating func completeQuestion(
    _ value: Consent_V1_UseRequest, image: ImageKey? = nil, now: Instant
  ) -> Question? {
    let question = question(value, image: image, now: now)
    if value.use == .unspecified { refuse("use", lacking: .purposeRequired) }
    if value.audience == .unspecified { refuse("audience", lacking: .audienceRequired) }
    if value.channel == .unspecified { refuse("channel", lacking: .channelRequired) }
    if !value.hasActor { refuse("actor", lacking: .actorRequired) }
    if value.hasActor {
      within("actor") { reader in
        if !value.actor.hasUser { reader.refuse("user", lacking: .actorRequired) }
        if value.actor.roleClass == .unspecified {
          reader.refuse("role_class", lacking: .actorRequired)
        }
      }
    }
    if !value.hasRecipient, Audience(number: value.audience.rawValue)?.needsRecipient ?? false {
      refuse("recipient", lacking: .recipientRequired)
    }
    return question
  }

  private mutating func refuse(_ field: StaticString, lacking reason: Reason) {
    refuse(field, "is required; " + reason.sentence, reason: reason.name)
  }
}
