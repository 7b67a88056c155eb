import Checking
import ConsentCore
import ConsentProto
import ConsentStore
import RPCServer

extension ConsentService {
  /// Decides one use of one image, now.
  ///
  /// - Throws: INVALID_ARGUMENT naming each lacking or unreadable field, with the first reason a
  ///   decision would give in `ErrorInfo`; that is counted, and is no decision.
  /// - Parameter answer: called once, perhaps before this returns.
  /// - Returns: what drops the question if nobody waits for its answer any more.
  static func check(
    _ service: ConsentService, _ request: Consent_V1_CheckRequest, by caller: Principal,
    answer: @escaping @Sendable (Result<Answered, any Error>) -> Void
  ) throws -> @Sendable () -> Void {
    let now = service.clock.now()
    let deciding = try RequestReader.read { reader -> Deciding? in
      let question = reader.within("request") { $0.completeQuestion(request.request, now: now) }
      let position = reader.minPosition(request.hasMinPosition ? request.minPosition : nil)
      return question.map { Deciding(questions: [$0], caller: caller, minPosition: position) }
    }
    return service.answer(deciding, answer)
  }

  /// Decides and logs, as `answer(_:)` does, without a task that waits; only an override, which is a
  /// write, takes one.
  ///
  /// - Returns: drops the question, unless it is an override: a write is not cancelled.
  private func answer(
    _ deciding: Deciding, _ answer: @escaping @Sendable (Result<Answered, any Error>) -> Void
  ) -> @Sendable () -> Void {
    if deciding.questions.contains(where: { $0.request.emergency != nil }) {
      Task {
        do { answer(.success(try await self.answer(deciding))) } catch { answer(.failure(error)) }
      }
      return {}
    }
    let holdsPart2 = Flag()
    let pending = checker.decide(
      deciding.caller.organization, images: deciding.questions.map(\.request.image),
      identifiers: deciding.questions.compactMap(\.patientIdentifier),
      atLeast: deciding.minPosition?.position ?? 0
    ) { reader in
      let (entries, part2) = try deciding.entries(in: reader)
      holdsPart2.set(part2)
      return entries
    } answer: { result in
      answer(result.map { Answered(logged: $0, holdsPart2: holdsPart2.value) })
    }
    return { pending.cancel() }
  }

  /// `check` behind the RPC: its answer is written out on the connection's loop, so that whoever
  /// ends a batch is not kept by its answers.
  func checkMethod(_ path: String) -> RPCMethod {
    let rendered: @Sendable (any Error) -> any Error = { self.rendered($0, path) }
    return .pendingUnary(
      path,
      ofBytes: {
        (bytes: [UInt8], context: CallContext, reply: PendingReply<Consent_V1_CheckResponse>) in
        guard let familiar = FamiliarCheck(bytes) else { return false }
        let caller = try context.caller()
        let deciding = Deciding(
          questions: [familiar.question], caller: caller, minPosition: familiar.minPosition)
        let drop = self.answer(deciding) { reply.check($0, to: caller.limits, rendered) }
        reply.whenCancelled(drop)
        return true
      }
    ) {
      (
        request: Consent_V1_CheckRequest, context: CallContext,
        reply: PendingReply<Consent_V1_CheckResponse>
      ) in
      let caller = try context.caller()
      do {
        let drop = try Self.check(self, request, by: caller) {
          reply.check($0, to: caller.limits, rendered)
        }
        reply.whenCancelled(drop)
      } catch {
        throw rendered(error)
      }
    }
  }
}

extension PendingReply<Consent_V1_CheckResponse> {
  fileprivate func check(
    _ result: Result<Answered, any Error>, to limits: CallerLimits,
    _ rendered: @escaping @Sendable (any Error) -> any Error
  ) {
    switch result {
    case .success(let answered) where isProtobuf:
      answerBytes {
        do { return try answered.checkResponse(to: limits) } catch { throw rendered(error) }
      }
    case .success(let answered):
      answer {
        do { return try Consent_V1_CheckResponse(answered, to: limits) } catch {
          throw rendered(error)
        }
      }
    case .failure(let error): fail(rendered(error))
    }
  }
}

extension Answered {
  /// The one decision, and what the caller may see of it.
  fileprivate func only(
    to limits: CallerLimits
  ) throws(ServiceError) -> (logged: LoggedDecision, visible: Decision) {
    guard let logged = logged.first else { throw .internalFault }
    return (logged, logged.entry.decision.masked(for: limits, holdsPart2: holdsPart2))
  }

  /// `Consent_V1_CheckResponse(_:to:)` as protobuf writes it.
  func checkResponse(to limits: CallerLimits) throws(ServiceError) -> [UInt8] {
    let (logged, visible) = try only(to: limits)
    return ProtobufWriter.checkResponse(logged, visible: visible)
  }
}

extension Consent_V1_CheckResponse {
  init(_ answered: Answered, to limits: CallerLimits) throws(ServiceError) {
    let (logged, visible) = try answered.only(to: limits)
    self.init()
    decision = Consent_V1_Decision(logged: logged, visible: visible)
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
