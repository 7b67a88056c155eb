/// One grant of one standing paper, with everything other records say of it. Nothing in it
/// depends on the instant decided at; `Moment` compares its instants.
final class Line: Sendable {
  // What every question asks of every line stands together and first.
  let isPermit: Bool
  let strength: Strength
  /// Every image held was registered for the paper's patient.
  let isOfAllHeld: Bool
  /// The line's uses; a deny that names none means all.
  let uses: ClosedSet<Use>
  let audiences: ClosedSet<Audience>
  let paper: Instrument
  let grant: Grant
  /// Images of the lineage that the scope holds, by index, whoever's they are.
  let held: [Int]
  /// Of those the ones acquired not later than the day of signing, or all if the future is meant.
  let described: [Int]
  let revocations: [Revocation]
  let falsified: Instant?
  let restrictionEnded: Instant?
  /// From when recorded evidence shows that the signer had no authority.
  let withoutAuthority: Instant?
  /// The grant ends by a named event then. `distantPast`: the event cannot be evaluated, which
  /// ends a permit and never a deny. Majority depends on whose the paper is; see `Moment`.
  let endsByEvent: Instant?
  let endsByDate: Instant?
  /// Defects of this line's part.
  let missing: [DefectElement]
  let isCompound: Bool
  /// Of the grant's recipients, in their order.
  let recipients: [PartyMark]
  let isConditioned: Bool

  init(
    paper: Instrument, grant: Grant, held: [Int], lineage: Lineage, amendments: Amendments,
    facts: Facts, errors: EnteredErrors
  ) {
    self.paper = paper
    self.grant = grant
    self.held = held
    let isDeny = grant.effect == .deny
    isPermit = !isDeny
    strength = paper.kind.strength
    uses = isDeny && grant.uses.isEmpty ? .all : grant.uses
    audiences = isDeny && grant.audiences.isEmpty ? .all : grant.audiences
    recipients = grant.recipients.map(PartyMark.init)
    isOfAllHeld = held.allSatisfy { lineage.images[$0].patient == paper.patient }
    described =
      grant.presentOnly
      ? held.filter { lineage.isPresent($0, at: paper, wholly: grant.effect == .permit) } : held
    revocations = facts.revocations.filter {
      $0.grants.contains(grant.id) && !errors.contains(.revocation, $0.id)
    }
    falsified = amendments.falsified
    restrictionEnded = amendments.restrictionEnded
    let defects = paper.defects.filter { $0.part == nil || $0.part == grant.part }.map(\.element)
    withoutAuthority =
      defects.contains(.signerAuthority) ? .distantPast : amendments.withoutAuthority
    missing = defects.filter { $0 != .compound && $0 != .conditioned && $0 != .signerAuthority }
    isCompound = defects.contains(.compound) || paper.compoundParts.contains(grant.part)
    isConditioned = defects.contains(.conditioned) || paper.conditionedParts.contains(grant.part)
    switch grant.expiry {
    case .date(_, let until):
      endsByDate = until
      endsByEvent = nil
    case .event(let event):
      endsByDate = nil
      endsByEvent =
        errors.contains(.expiryEvent, event)
        ? .distantPast : facts.occurrence(of: event, errors: errors)
    case .majority, .none:
      endsByDate = nil
      endsByEvent = nil
    }
  }

  var specificity: Int { grant.scope.specificity }
  var signed: SignedTime { paper.signedOrReceived }

  /// A deny line stands for itself, except as an exclusion of an authorization or as an agreed
  /// restriction.
  var isStandingDeny: Bool {
    guard !isPermit else { return false }
    return switch paper.kind {
    case .refusal, .consent, .restrictionRequest, .part2Consent: true
    case .authorization, .restrictionAgreed: false
    }
  }

  /// A deny line inside an authorization limits the permits of the same paper only.
  var isExclusion: Bool { !isPermit && paper.kind == .authorization }

  var reference: RecordReference { RecordReference(kind: .instrument, id: paper.id.retyped()) }

  func record(
    _ part: DecidingRecord.Part, _ reason: Reason, defects: [DefectElement] = []
  ) -> DecidingRecord {
    DecidingRecord(
      part: part, record: reference, grant: grant.id, reason: reason, defects: defects,
      isPart2: paper.kind == .part2Consent)
  }

  /// The receiver, channel, use and audience are within a deny line. What is unknown matches.
  func denies(_ question: Question) -> Bool {
    uses.contains(question.use) && audiences.contains(question.audience)
      && (grant.channels?.contains(question.channel) ?? true)
      && (grant.recipients.isEmpty
        || grant.recipients.contains(where: question.receiver.mayBeMeant))
  }
}
