/// What tells most parties apart without looking at their text.
struct PartyMark: Sendable {
  /// Of the identifier; the same for all that have none.
  let hash: Int
  let isGroup: Bool

  init(_ party: Party) {
    hash = party.identifier?.hashValue ?? 0
    isGroup = party.kind == .organization || party.kind == .class
  }

  init(_ identifier: Identifier) {
    hash = identifier.hashValue
    isGroup = false
  }
}

/// Who receives in a check: the recipient, or for own workforce and trainees the actor.
struct Receiver {
  let identifier: Identifier?
  let kind: RecipientKind
  let memberOf: [Identifier]
  private let mark: PartyMark

  init(_ party: Party) {
    identifier = party.identifier
    kind = party.kind
    memberOf = party.memberOf
    mark = PartyMark(party)
  }

  init(_ actor: Actor) {
    identifier = actor.user
    kind = .person
    memberOf = actor.memberOf
    mark = PartyMark(actor.user)
  }

  /// A permit line names the receiver among others.
  func isNamed(in line: Line) -> Bool {
    for index in line.recipients.indices {
      let named = line.recipients[index]
      guard named.hash == mark.hash || (named.isGroup && !memberOf.isEmpty) else { continue }
      if isNamed(by: line.grant.recipients[index]) { return true }
    }
    return false
  }

  /// A permit names the receiver: by its own identifier, or as an organization or class that a
  /// person is stated to belong to. Words alone name nobody.
  func isNamed(by party: Party) -> Bool {
    guard let named = party.identifier else { return false }
    if identifier == named { return true }
    return kind == .person && (party.kind == .organization || party.kind == .class)
      && memberOf.contains(named)
  }

  /// A deny may mean the receiver: what is unknown matches. Unknown are a party without an
  /// identifier on either side, and the memberships of a person who states none.
  func mayBeMeant(by party: Party) -> Bool {
    guard let named = party.identifier, let identifier else { return true }
    if identifier == named || memberOf.contains(named) { return true }
    return kind == .person && memberOf.isEmpty
      && (party.kind == .organization || party.kind == .class)
  }
}
