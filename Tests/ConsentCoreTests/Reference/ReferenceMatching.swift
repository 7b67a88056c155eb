import ConsentCore

/// Who a line names: "recipients match by identifier, never by text; a grant to an organization or
/// class matches a person only with stated membership. What is unknown matches a deny and never a
/// permit."
struct ReferenceMatching {
  let use: Use
  let audience: Audience
  let channel: Channel
  let actor: Actor
  let requestRecipient: Party?

  /// "For own workforce and trainees the recipient is the actor."
  var recipient: Party? { audience.needsRecipient ? requestRecipient : actorAsParty }

  var actorAsParty: Party {
    Party(kind: .person, identifier: actor.user, memberOf: actor.memberOf)
  }

  func surelyIs(_ party: Party, _ named: Party) -> Bool {
    guard let name = named.identifier else { return false }
    if party.identifier == name { return true }
    return party.kind == .person && (named.kind == .organization || named.kind == .class)
      && party.memberOf.contains(name)
  }

  func mayBe(_ party: Party, _ named: Party) -> Bool {
    if named.identifier == nil || party.identifier == nil { return true }
    if party.kind == .person, named.kind == .organization || named.kind == .class,
      party.memberOf.isEmpty
    {
      return true
    }
    return surelyIs(party, named)
  }

  // MARK: A permit

  func namesUse(_ grant: Grant) -> Bool { grant.uses.contains(use) }
  func namesAudience(_ grant: Grant) -> Bool { grant.audiences.contains(audience) }
  func namesChannel(_ grant: Grant) -> Bool { grant.channels?.contains(channel) ?? true }

  func namesRecipient(_ grant: Grant) -> Bool {
    if grant.recipients.isEmpty { return !audience.needsRecipient }
    guard let recipient else { return false }
    return grant.recipients.contains { surelyIs(recipient, $0) }
  }

  func namesDiscloser(_ grant: Grant) -> Bool {
    grant.disclosers.isEmpty || grant.disclosers.contains { surelyIs(actorAsParty, $0) }
  }

  // MARK: A deny

  /// Who discloses is the organization; whether it is the one named, the facts do not say.

  func mayMeanThis(_ grant: Grant) -> Bool {
    (grant.uses.isEmpty || grant.uses.contains(use))
      && (grant.audiences.isEmpty || grant.audiences.contains(audience))
      && namesChannel(grant)
      && (grant.recipients.isEmpty
        || grant.recipients.contains { named in recipient.map { mayBe($0, named) } ?? true })
  }
}
