/// One question: may this image go, for this use, to this audience, over this channel?
///
/// Use, audience, channel and actor are required and never defaulted; they are optional here so
/// that an incomplete item of a batch can be denied with the reason.
public struct CheckRequest: Hashable, Sendable, Codable {
  public var image: ImageKey
  public var use: Use?
  public var audience: Audience?
  public var channel: Channel?
  public var actor: Actor?
  /// Required where `audience.needsRecipient`.
  public var recipient: Party?
  public var intent: Intent
  /// Must match the image's patient if given.
  public var patient: PatientID?
  public var encounter: String?
  public var order: String?
  public var workstation: String?
  public var correlation: String?
  public var emergency: EmergencyAttestation?

  public init(
    image: ImageKey, use: Use?, audience: Audience?, channel: Channel?, actor: Actor?,
    recipient: Party? = nil, intent: Intent = .use, patient: PatientID? = nil,
    encounter: String? = nil, order: String? = nil, workstation: String? = nil,
    correlation: String? = nil, emergency: EmergencyAttestation? = nil
  ) {
    self.image = image
    self.use = use
    self.audience = audience
    self.channel = channel
    self.actor = actor
    self.recipient = recipient
    self.intent = intent
    self.patient = patient
    self.encounter = encounter
    self.order = order
    self.workstation = workstation
    self.correlation = correlation
    self.emergency = emergency
  }
}

/// "Break the glass": who attests that the treatment cannot wait, why and when.
public struct EmergencyAttestation: Hashable, Sendable, Codable {
  public var attester: Identifier
  public var reason: String
  public var attested: Instant

  public init(attester: Identifier, reason: String, attested: Instant) {
    self.attester = attester
    self.reason = reason
    self.attested = attested
  }
}

/// What the calling system may assert and see; from its credentials, never from the request.
public struct CallerLimits: Hashable, Sendable, Codable {
  public var uses: ClosedSet<Use>
  public var audiences: ClosedSet<Audience>
  public var channels: ClosedSet<Channel>
  /// May see Part 2 reasons (42 CFR 2.13(c)(2)).
  public var seesPart2: Bool

  public init(
    uses: ClosedSet<Use> = .all, audiences: ClosedSet<Audience> = .all,
    channels: ClosedSet<Channel> = .all, seesPart2: Bool = false
  ) {
    self.uses = uses
    self.audiences = audiences
    self.channels = channels
    self.seesPart2 = seesPart2
  }
}
