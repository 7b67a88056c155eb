import ConsentCore

/// The ladder of the domain text, rung by rung, for one request at one instant.
struct ReferenceLadder {
  let request: CheckRequest
  let caller: CallerLimits
  let register: ReferenceRegister

  struct Answer {
    var effect: Effect
    var primary: Reason
    var obligations: Set<Obligation> = []

    static func deny(_ reason: Reason) -> Answer { Answer(effect: .deny, primary: reason) }
    static func permit(_ reason: Reason, _ obligations: Set<Obligation> = []) -> Answer {
      Answer(effect: .permit, primary: reason, obligations: obligations)
    }
  }

  /// "Rungs 1-8 in order; then emergency may lift a treatment DENY; then channel may close a
  /// PERMIT."
  func answer() -> Answer {
    if let incomplete = incompleteness() { return .deny(incomplete) }
    guard let use = request.use, let audience = request.audience, let channel = request.channel,
      let actor = request.actor
    else { return .deny(.purposeRequired) }
    let matching = ReferenceMatching(
      use: use, audience: audience, channel: channel, actor: actor,
      requestRecipient: request.recipient)
    let image = register.image(request.image)
    if let image, let named = request.patient,
      !register.members(with: register.owners(of: image).restricts).contains(named)
    {
      return .deny(.patientMismatch)
    }
    guard caller.uses.contains(use), caller.audiences.contains(audience),
      caller.channels.contains(channel)
    else { return .deny(.assertionNotAllowed) }

    var answer: Answer
    if let image {
      answer = ReferenceRungs(register: register, image: image, matching: matching).answer()
    } else {
      answer = .deny(.imageUnknown)
    }
    let mayLift = image != nil || request.patient != nil
    // EXTERNAL is nobody who treats: who receives the image to treat is a TREATING_PROVIDER.
    if answer.effect == .deny, use.isTreatment, audience != .external, mayLift {
      answer = emergency(matching, image) ?? answer
    }
    if answer.effect == .permit, answer.primary != .notPHIDeidentified,
      !channels(use, audience, image).contains(channel)
    {
      return .deny(.channelNotPermitted)
    }
    return answer
  }

  /// Rung 1, the fields.
  private func incompleteness() -> Reason? {
    if request.use == nil { return .purposeRequired }
    guard let audience = request.audience else { return .audienceRequired }
    if request.channel == nil { return .channelRequired }
    if request.actor == nil { return .actorRequired }
    if audience.needsRecipient, request.recipient == nil { return .recipientRequired }
    return nil
  }

  /// Rung E: a permit for this answer only, with review and, for a disclosure, the request not to
  /// pass it on.
  private func emergency(_ matching: ReferenceMatching, _ image: ImageRecord?) -> Answer? {
    guard request.emergency != nil, register.policy.emergencyRoles.contains(matching.actor.role)
    else { return nil }
    var obligations: Set<Obligation> = [.reviewWithin(hours: register.policy.emergencyReviewHours)]
    if matching.audience.needsRecipient { obligations.insert(.askReceiverNotToRedisclose) }
    let isMarked = image.map { image in
      ReferenceLineage(register: register, root: image).nodes.contains { $0.image?.part2 != nil }
    }
    return .permit(
      isMarked == true ? .part2MedicalEmergency : .emergencyOverride, obligations)
  }

  /// Rung C: the channels by default, or as the policy has them; two never.
  private func channels(_ use: Use, _ audience: Audience, _ image: ImageRecord?)
    -> ClosedSet<Channel>
  {
    let policy = register.policy
    var open: ClosedSet<Channel>
    switch (use.isTreatment, audience) {
    case (_, .individual):
      open = policy.individualChannels
      if let image,
        !register.owners(of: image).permits.isDisjoint(with: policy.personalEmailRequests)
      {
        open.insert(.personalEmail)
      }
    case (true, _): open = policy.treatmentChannels
    case (false, .external): open = policy.externalEducationChannels
    case (false, _): open = policy.internalEducationChannels
    }
    open.remove(.personalMessaging)
    open.remove(.socialMedia)
    return open
  }
}
