/// A complete request: what rung 1 leaves of a `CheckRequest`.
final class Question: Sendable {
  let use: Use
  let audience: Audience
  let channel: Channel
  let actor: Actor
  let recipient: Party?
  let receiver: Receiver

  /// `nil` if a field that every check needs is missing.
  init?(_ request: CheckRequest) {
    guard let use = request.use, let audience = request.audience, let channel = request.channel,
      let actor = request.actor
    else { return nil }
    if audience.needsRecipient {
      guard let recipient = request.recipient else { return nil }
      receiver = Receiver(recipient)
    } else {
      receiver = Receiver(actor)
    }
    self.use = use
    self.audience = audience
    self.channel = channel
    self.actor = actor
    recipient = request.recipient
  }

  /// The image leaves the organization's own workforce.
  var isDisclosure: Bool { audience.needsRecipient }
}
