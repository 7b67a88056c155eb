import ConsentCore
import ConsentProto
import SwiftProtobuf

/// A question as a caller asks it: the core's request, and the patient where named by an
/// identifier, which only the store can resolve.
struct Question: Sendable {
  var request: CheckRequest
  var patientIdentifier: Identifier?
}

extension RequestReader {
  /// A question. What the decision itself asks for (use, audience, channel, actor, recipient) may
  /// be lacking: it is then `nil` in the request and no violation.
  ///
  /// - Parameters:
  ///   - image: the group's first image, where the question is about a group and names none.
  ///   - now: stands for the time of an attestation that states none.
  mutating func question(
    _ value: Consent_V1_UseRequest, image given: ImageKey? = nil, now: Instant
  ) -> Question? {
    let image = given ?? imageKey(value.hasImage ? value.image : nil, "image", .required)
    if given != nil, value.hasImage {
      refuse("image", "does not belong in a question about a group; name the members instead")
    }
    let use = word(value.use, "use", .optional, as: Use.self)
    let audience = word(value.audience, "audience", .optional, as: Audience.self)
    let channel = word(value.channel, "channel", .optional, as: Channel.self)
    let actor = actor(value.hasActor ? value.actor : nil, "actor")
    let recipient = party(value.hasRecipient ? value.recipient : nil, "recipient")
    let intent = word(value.intent, "intent", .optional, as: Intent.self) ?? .use
    let patient = patient(value.hasPatient ? value.patient : nil, "patient")
    let encounter = text(value.hasEncounterID ? value.encounterID : nil, "encounter_id")
    let order = text(value.hasOrderID ? value.orderID : nil, "order_id")
    let workstation = text(value.hasWorkstation ? value.workstation : nil, "workstation")
    let correlation = text(value.hasCorrelationID ? value.correlationID : nil, "correlation_id")
    let emergency = emergency(value.hasEmergency ? value.emergency : nil, actor: actor, now: now)
    guard let image else { return nil }
    var question = Question(
      request: CheckRequest(
        image: image, use: use, audience: audience, channel: channel, actor: actor,
        recipient: recipient, intent: intent, encounter: encounter, order: order,
        workstation: workstation, correlation: correlation, emergency: emergency))
    switch patient {
    case nil: break
    case .id(let id)?: question.request.patient = id
    case .identifier(let identifier)?: question.patientIdentifier = identifier
    }
    return question
  }

  private mutating func emergency(
    _ value: Consent_V1_EmergencyAttestation?, actor: Actor?, now: Instant
  ) -> EmergencyAttestation? {
    guard let value else { return nil }
    return within("emergency") { reader in
      let attester =
        reader.identifier(value.hasAttester ? value.attester : nil, "attester") ?? actor?.user
      let statement = reader.text(value.statement, "statement", .required, limit: .note)
      let attested = reader.instant(value.hasAttestedAt ? value.attestedAt : nil, "attested_at")
      if let attested, attested > now { reader.refuse("attested_at", "is in the future") }
      if attester == nil { reader.refuse("attester", "is required where no actor is stated") }
      guard let attester, let statement else { return nil }
      return EmergencyAttestation(
        attester: attester, reason: statement, attested: attested ?? now)
    }
  }
}

extension Reason {
  /// The field of a `UseRequest` whose absence this reason names.
  var lackingField: StaticString? {
    switch self {
    case .purposeRequired: "use"
    case .audienceRequired: "audience"
    case .channelRequired: "channel"
    case .actorRequired: "actor"
    case .recipientRequired: "recipient"
    default: nil
    }
  }
}

extension Consent_V1_UseRequest {
  init(_ request: CheckRequest) {
    self.init()
    image = Consent_V1_ImageKey(request.image)
    if let use = request.use { self.use = use.proto() }
    if let audience = request.audience { self.audience = audience.proto() }
    if let channel = request.channel { self.channel = channel.proto() }
    if let actor = request.actor { self.actor = Consent_V1_Actor(actor) }
    if let recipient = request.recipient { self.recipient = Consent_V1_Party(recipient) }
    intent = request.intent.proto()
    if let patient = request.patient { self.patient.patientID = patient.description }
    if let encounter = request.encounter { encounterID = encounter }
    if let order = request.order { orderID = order }
    if let workstation = request.workstation { self.workstation = workstation }
    if let correlation = request.correlation { correlationID = correlation }
    if let emergency = request.emergency {
      self.emergency = Consent_V1_EmergencyAttestation(emergency)
    }
  }
}

extension Consent_V1_EmergencyAttestation {
  init(_ attestation: EmergencyAttestation) {
    self.init()
    attester = Consent_V1_Identifier(attestation.attester)
    statement = attestation.reason
    attestedAt = Google_Protobuf_Timestamp(attestation.attested)
  }
}
