import ConsentCore
import ConsentProto

extension RequestReader {
  /// An identifier with its issuer; both parts are asked for.
  mutating func identifier(
    _ value: Consent_V1_Identifier?, _ field: StaticString, _ presence: Presence = .optional
  ) -> Identifier? {
    guard let value else {
      if presence == .required { refuse(field, "is required") }
      return nil
    }
    return within(field) { $0.identifier(value) }
  }

  private mutating func identifier(_ value: Consent_V1_Identifier) -> Identifier? {
    let system = text(value.system, "system", .required)
    let number = text(value.value, "value", .required)
    guard let system, let number else { return nil }
    return Identifier(system: system, value: number)
  }

  mutating func identifiers(
    _ values: [Consent_V1_Identifier], _ field: StaticString, atMost limit: Int = 64
  ) -> [Identifier] {
    each(values, field, atMost: limit) { $0.identifier($1) }
  }

  mutating func party(
    _ value: Consent_V1_Party?, _ field: StaticString, _ presence: Presence = .optional
  ) -> Party? {
    guard let value else {
      if presence == .required { refuse(field, "is required") }
      return nil
    }
    return within(field) { $0.party(value) }
  }

  mutating func parties(_ values: [Consent_V1_Party], _ field: StaticString) -> [Party] {
    each(values, field, atMost: 256) { $0.party($1) }
  }

  private mutating func party(_ value: Consent_V1_Party) -> Party? {
    let kind = word(value.kind, "kind", .required, as: RecipientKind.self)
    let identifier = identifier(value.hasIdentifier ? value.identifier : nil, "identifier")
    let name = text(value.hasName ? value.name : nil, "name")
    let address = text(value.hasAddress ? value.address : nil, "address", limit: .note)
    let memberOf = identifiers(value.memberOf, "member_of")
    guard let kind else { return nil }
    return Party(
      kind: kind, identifier: identifier, name: name, address: address, memberOf: memberOf)
  }

  /// The acting person; `nil` and no violation where the person or the role class is not stated,
  /// because the decision itself answers to that (ACTOR_REQUIRED).
  mutating func actor(_ value: Consent_V1_Actor?, _ field: StaticString) -> Actor? {
    guard let value else { return nil }
    return within(field) { reader in
      let user = reader.identifier(value.hasUser ? value.user : nil, "user")
      let role = reader.word(value.roleClass, "role_class", .optional, as: RoleClass.self)
      let npi = reader.npi(value.hasNpi ? value.npi : nil)
      let relationship = reader.word(
        value.relationship, "relationship", .optional, as: Relationship.self)
      let memberOf = reader.identifiers(value.memberOf, "member_of")
      guard let user, let role else { return nil }
      return Actor(
        user: user, role: role, npi: npi, relationship: relationship ?? .noneStated,
        memberOf: memberOf)
    }
  }

  private mutating func npi(_ value: String?) -> String? {
    guard let value, !value.isEmpty else { return nil }
    let isDigits = value.utf8.allSatisfy { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }
    guard value.utf8.count == 10, isDigits else {
      refuse("npi", "is not ten digits")
      return nil
    }
    return value
  }
}

extension Consent_V1_Identifier {
  init(_ identifier: Identifier) {
    self.init()
    system = identifier.system
    value = identifier.value
  }
}

extension Consent_V1_Party {
  init(_ party: Party) {
    self.init()
    kind = party.kind.proto()
    if let identifier = party.identifier { self.identifier = Consent_V1_Identifier(identifier) }
    if let name = party.name { self.name = name }
    if let address = party.address { self.address = address }
    memberOf = party.memberOf.map(Consent_V1_Identifier.init)
  }
}

extension Consent_V1_Actor {
  init(_ actor: Actor) {
    self.init()
    user = Consent_V1_Identifier(actor.user)
    roleClass = actor.role.proto()
    if let npi = actor.npi { self.npi = npi }
    relationship = actor.relationship.proto()
    memberOf = actor.memberOf.map(Consent_V1_Identifier.init)
  }
}
