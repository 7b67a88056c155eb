public import ConsentCore

/// One leaf of a log: a decision, where it stands, and the state of the feed it was taken on. Its
/// byte form is what the tree hashes, so that the tree binds the feed's history too.
public struct LogRecord: Hashable, Sendable {
  public var organization: OrganizationID
  public var id: DecisionID
  public var head: FeedHead
  public var entry: DecisionEntry

  public init(
    organization: OrganizationID, id: DecisionID, head: FeedHead, entry: DecisionEntry
  ) {
    self.organization = organization
    self.id = id
    self.head = head
    self.entry = entry
  }

  /// Version 1 was JSON of the entry alone.
  static let version: UInt8 = 2
  /// The kind of record; `Activity` has the others.
  static let kind: UInt8 = 1
  /// Version, kind, organization, log, leaf, position, chain, known, fact position.
  static let headerCount = 2 + 16 + 16 + 8 + 8 + 32 + 8 + 8

  /// The canonical form, version 2.
  public var bytes: [UInt8] {
    var form = CanonicalBytes(reserving: 512)
    LogRecord.append(
      to: &form, entry: entry, id: id, head: head, organization: organization)
    return form.bytes
  }

  static func append(
    to form: inout CanonicalBytes, entry: DecisionEntry, id: DecisionID, head: FeedHead,
    organization: OrganizationID
  ) {
    form.append(recordHeader: kind, id: id, head: head, organization: organization)
    form.append(entry: entry)
  }
}

/// In the order in which the fields are declared. A field added later gets a new version number in
/// front of the record; a test fails when one is forgotten.
extension CanonicalBytes {
  fileprivate mutating func append(entry: DecisionEntry) {
    append(varText: entry.caller)
    append(entry.limits.uses.bits)
    append(entry.limits.audiences.bits)
    append(entry.limits.channels.bits)
    append(byte: entry.limits.seesPart2 ? 1 : 0)
    mark()
    append(request: entry.request)
    mark()
    append(decision: entry.decision)
    append(markedOptional: entry.patient)
    guard let group = entry.group else { return append(byte: 0) }
    append(byte: 1)
    append(varCount: group.images.count)
    for image in group.images {
      mark()
      append(image: image)
    }
    mark()
    if let expected = group.expectedCount {
      append(byte: 1)
      append(number: expected)
    } else {
      append(byte: 0)
    }
    append(varCount: group.differing.count)
    for differing in group.differing {
      append(image: differing.image)
      append(byte: differing.effect.rawValue)
      append(differing.reason.rawValue)
    }
  }

  private mutating func append(request: CheckRequest) {
    append(image: request.image)
    mark()
    append(byte: request.use?.rawValue ?? 0)
    append(byte: request.audience?.rawValue ?? 0)
    append(byte: request.channel?.rawValue ?? 0)
    if let actor = request.actor {
      append(byte: 1)
      append(identifier: actor.user)
      append(byte: actor.role.rawValue)
      append(optionalText: actor.npi)
      append(byte: actor.relationship.rawValue)
      append(identifiers: actor.memberOf)
    } else {
      append(byte: 0)
    }
    mark()
    if let party = request.recipient {
      append(byte: 1)
      append(party: party)
    } else {
      append(byte: 0)
    }
    mark()
    append(byte: request.intent.rawValue)
    append(markedOptional: request.patient)
    append(optionalText: request.encounter)
    append(optionalText: request.order)
    append(optionalText: request.workstation)
    append(optionalText: request.correlation)
    if let emergency = request.emergency {
      append(byte: 1)
      append(identifier: emergency.attester)
      append(varText: emergency.reason)
      append(emergency.attested.microseconds)
    } else {
      append(byte: 0)
    }
  }

  private mutating func append(party: Party) {
    append(byte: party.kind.rawValue)
    if let identifier = party.identifier {
      append(byte: 1)
      append(identifier: identifier)
    } else {
      append(byte: 0)
    }
    append(optionalText: party.name)
    append(optionalText: party.address)
    append(identifiers: party.memberOf)
  }

  private mutating func append(decision: Decision) {
    append(byte: decision.effect.rawValue)
    append(decision.primary.rawValue)
    append(varCount: decision.further.count)
    for reason in decision.further { append(reason.rawValue) }
    append(varCount: decision.records.count)
    for record in decision.records { append(record: record) }
    mark()
    append(varCount: decision.obligations.count)
    for obligation in decision.obligations { append(obligation: obligation) }
    append(number: decision.policyVersion)
    if let until = decision.validUntil {
      append(byte: 1)
      append(until.microseconds)
    } else {
      append(byte: 0)
    }
    append(decision.at.microseconds)
    append(decision.position)
    append(number: decision.rulesVersion)
  }

  private mutating func append(record: DecidingRecord) {
    append(byte: record.part.rawValue)
    append(byte: record.record.kind.rawValue)
    mark()
    append(record.record.id)
    append(markedOptional: record.grant)
    append(number: record.version)
    append(record.reason.rawValue)
    append(varCount: record.defects.count)
    for defect in record.defects { append(byte: defect.rawValue) }
    append(byte: record.isPart2 ? 1 : 0)
  }

  private mutating func append(obligation: Obligation) {
    switch obligation {
    case .removeBurnedInIdentifiers: append(byte: 1)
    case .stripMetadata: append(byte: 2)
    case .cropToRegion: append(byte: 3)
    case .limitToRecipient: append(byte: 4)
    case .askReceiverNotToRedisclose: append(byte: 5)
    case .part2Notice: append(byte: 6)
    case .reviewWithin(let hours):
      append(byte: Obligation.reviewWithinCode)
      append(number: hours)
    }
  }

  mutating func append(image: ImageKey) {
    switch image {
    case .sopInstance(let uid):
      append(byte: 1)
      append(varText: uid)
    case .sha256(let digits):
      append(byte: 2)
      append(varText: digits)
    }
  }

  mutating func append(identifier: Identifier) {
    append(varText: identifier.system)
    append(varText: identifier.value)
  }

  private mutating func append(identifiers: [Identifier]) {
    append(varCount: identifiers.count)
    for identifier in identifiers { append(identifier: identifier) }
  }

  /// The id is a piece of its own: it is as before or has nothing in common with it.
  private mutating func append<Subject>(markedOptional id: ID<Subject>?) {
    mark()
    guard let id else { return append(byte: 0) }
    append(byte: 1)
    mark()
    append(id)
    mark()
  }
}

extension Obligation {
  /// The one that is followed by a number.
  static let reviewWithinCode: UInt8 = 7
}
