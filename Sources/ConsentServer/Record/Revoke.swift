import ConsentCore
import ConsentProto
import ConsentStore
import SwiftProtobuf

extension ConsentService {
  /// Revokes grants (45 CFR 164.508(b)(5)); with `validate_only` says what revoking would do.
  ///
  /// Uses under the grants are counted after the revocation is committed, below its position: a
  /// count taken under the lock would miss those still being logged. Nobody waits for the count, see
  /// `FactReader.countUses`; where it could not be taken at once it says so.
  static func revoke(
    _ service: ConsentService, _ request: Consent_V1_RevokeRequest, by caller: Principal
  ) async throws -> Told<Consent_V1_RevokeResponse> {
    let calendar = try service.calendars[caller.organization]
    let now = service.clock.now()
    let id = ID<Revocation>.random()
    let position = try RequestReader.read { reader -> KnownPosition?? in
      let conventions = reader.conventions(request, isKeyed: !request.validateOnly)
      _ = reader.revocation(request, calendar: calendar, now: now)
      return .some(conventions.minPosition)
    }
    if request.validateOnly {
      let shown = try await service.show(by: caller, minPosition: position ?? nil) {
        reader, calendar in
        let trial = try RevocationTrial(request, id: id, reader: reader, calendar: calendar)
        var response = trial.response(to: caller)
        response.revocationID = ""
        response.tell(
          try reader.countUses(
            under: Set(trial.revocation.grants), below: nil, notice: trial.revocation.received))
        return Shown(response, naming: [request.patientID], subject: ["validate-only": "yes"])
      }
      return .tried(shown)
    }
    let response = try await service.record(
      request, by: caller, about: PatientID(request.patientID)
    ) { recording in
      let trial = try RevocationTrial(
        request, id: id, reader: recording.writer, calendar: recording.calendar)
      try recording.writer.append(trial.outcome.change)
      return trial.response(to: caller)
    }
    guard let revoked = try await service.revoked(response, by: request, caller) else {
      return .recorded(response)
    }
    // No decision is taken between the positions of one commit: below the answer's position and
    // below the revocation's is the same.
    var counted = response
    counted.tell(
      try await service.store.countUses(
        caller.organization, under: Set(revoked.grants), below: response.position.position,
        notice: revoked.received))
    return .recorded(counted)
  }

  /// The grants that the revocation names and when it was received: from the answer where that tells
  /// both, which saves reading the patient's records again.
  private func revoked(
    _ response: Consent_V1_RevokeResponse, by request: Consent_V1_RevokeRequest,
    _ caller: Principal
  ) async throws -> (grants: [GrantID], received: Instant)? {
    if response.binds, response.hasBindsFrom {
      let received = request.hasReceivedAt ? request.receivedAt : response.bindsFrom
      return (
        (response.revokedGrantIds + response.endedGrantIds).compactMap { GrantID($0) },
        Instant(microseconds: received.seconds * 1_000_000 + Int64(received.nanos / 1_000))
      )
    }
    guard let id = RecordID(response.revocationID) else { return nil }
    let reference = RecordReference(kind: .revocation, id: id)
    return try await store.read(caller.organization) { reader in
      guard case .revocation(let found)? = try reader.facts(of: reference).find(reference) else {
        return nil
      }
      return (found.grants, found.received)
    }
  }
}

extension Consent_V1_RevokeResponse {
  fileprivate mutating func tell(_ count: UseCount) {
    relianceCount = UInt64(clamping: count.uses)
    usedAfterNoticeCount = UInt64(clamping: count.afterNotice)
    countsAreLowerBounds = !count.isWhole
  }
}

extension FactReader {
  /// Permitted uses that rest on any of these grants, each once, from an instant on.
  func uses(
    under grants: [GrantID], below position: UInt64, from: Instant
  ) throws -> [LoggedDecision] {
    var seen: Set<DecisionID> = []
    return try grants.flatMap { grant in
      try decisions(
        DecisionFilter(
          from: from, positionUntil: position, basisGrant: grant, effect: .permit, usesOnly: true),
        limit: 100_000
      ).filter { seen.insert($0.id).inserted }
    }
  }
}

/// What a revocation does, worked out on a view of the register.
struct RevocationTrial {
  let revocation: Revocation
  let outcome: RevokeOutcome
  var papers: [Instrument] { facts.instruments }
  private let facts: Facts
  private let now: Instant

  init(
    _ request: Consent_V1_RevokeRequest, id: ID<Revocation>, reader: any FactReader,
    calendar: LocalCalendar
  ) throws {
    now = reader.now
    let asked = try RequestReader.read { [now] in
      $0.revocation(request, calendar: calendar, now: now)
    }
    try asked.named.requireAgreement(in: reader)
    let facts = try reader.facts(patients: [asked.named.patient], asOf: nil)
    let grants = try asked.target.grants(of: asked.named.patient, facts: facts, at: now)
    revocation = Revocation(
      id: id, patient: asked.named.patient, grants: grants, method: asked.method,
      signer: asked.signer, signed: asked.signed, received: asked.received)
    let clock = CommandClock(now: now, today: calendar.day(of: now))
    let builder = ChangeBuilder(facts: facts, clock: clock)
    outcome = try CommandFields.named { [revocation] in try builder.revoke(revocation) }
    self.facts = facts
  }

  func response(to caller: Principal) -> Consent_V1_RevokeResponse {
    var response = Consent_V1_RevokeResponse()
    response.revocationID = revocation.id.description
    let ended = Set(outcome.alreadyEnded)
    response.binds = outcome.binds
    if outcome.binds {
      response.revokedGrantIds = revocation.grants.filter { !ended.contains($0) }
        .map(\.description)
      response.bindsFrom = Google_Protobuf_Timestamp(now)
    }
    response.endedGrantIds = outcome.alreadyEnded.map(\.description)
    response.remaining = remaining(visibleTo: caller)
    response.derivatives = facts.derivatives(of: Set(outcome.images)).prefix(1_000)
      .map(Consent_V1_ImageKey.init)
    return response
  }

  private func remaining(visibleTo caller: Principal) -> [Consent_V1_RemainingGrant] {
    let images = Set(outcome.images)
    let wanted = Set(outcome.stillCovering)
    return facts.instruments.filter { $0.isVisible(to: caller) }.flatMap { paper in
      paper.grants.filter { wanted.contains($0.id) }.map { grant in
        var remaining = Consent_V1_RemainingGrant()
        remaining.grant = Consent_V1_Grant(grant, of: paper, facts: facts, at: now)
        remaining.imageCount = UInt64(
          facts.affectedImages(of: grant, in: paper, at: now).count(where: images.contains))
        return remaining
      }
    }
  }
}

/// What a revocation is to end.
enum RevocationTarget: Sendable {
  case grants([GrantID])
  case instrument(InstrumentID)
  case every

  /// - Throws: FAILED_PRECONDITION if there is nothing to revoke.
  func grants(of patient: PatientID, facts: Facts, at: Instant) throws -> [GrantID] {
    switch self {
    case .grants(let grants): return grants
    case .instrument(let id):
      guard let paper = facts.instrument(id) else {
        throw ServiceError.invalid("instrument_id", "is no paper of this patient")
      }
      return paper.grants.map(\.id)
    case .every:
      let members = Standing(facts).members(of: patient)
      let live = facts.instruments.filter { members.contains($0.patient) }.flatMap { paper in
        paper.grants.filter { grant in
          facts.ending(of: grant, in: paper).map { $0.ended > at } ?? true
        }
      }
      guard !live.isEmpty else {
        throw ServiceError.failedPrecondition(
          reason: "NOTHING_TO_REVOKE", "the patient has no grant that has not ended")
      }
      return live.map(\.id)
    }
  }
}

private struct AskedRevocation: Sendable {
  var named: TwiceNamed
  var target: RevocationTarget
  var method: RevocationMethod
  var signer: Signer
  var signed: SignedTime
  var received: Instant
}

extension RequestReader {
  fileprivate mutating func revocation(
    _ value: Consent_V1_RevokeRequest, calendar: LocalCalendar, now: Instant
  ) -> AskedRevocation? {
    let named = twiceNamed(
      value.patientID, value.hasSecondIdentifier ? value.secondIdentifier : nil)
    let target = revocationTarget(value.target)
    let method = word(value.method, "method", .required, as: RevocationMethod.self)
    if !value.hasSigner { refuse("signer", "is required") }
    let signer = signer(value.hasSigner ? value.signer : nil, "signer")
    let received =
      instant(value.hasReceivedAt ? value.receivedAt : nil, "received_at") ?? now
    let signed = signedTime(value.hasSigned ? value.signed : nil, "signed", calendar: calendar)
    if received > now { refuse("received_at", "is in the future") }
    refuseDocuments(value.documentIds)
    guard let named, let target, let method else { return nil }
    return AskedRevocation(
      named: named, target: target, method: method, signer: signer,
      signed: signed ?? SignedTime(day: calendar.day(of: received)), received: received)
  }

  private mutating func revocationTarget(
    _ target: Consent_V1_RevokeRequest.OneOf_Target?
  ) -> RevocationTarget? {
    switch target {
    case nil:
      refuse("target", "is required: grants, instrument_id or every_grant")
      return nil
    case .grants(let list)?:
      return within("grants") { reader in
        if list.grantIds.isEmpty { reader.refuse("grant_ids", "is required: at least one") }
        let ids = reader.each(list.grantIds, "grant_ids", atMost: 10_000) {
          $0.elementID($1, of: Grant.self)
        }
        return .grants(ids)
      }
    case .instrumentID(let id)?:
      return self.id(id, "instrument_id", of: Instrument.self).map(RevocationTarget.instrument)
    case .everyGrant?: return .every
    }
  }
}
