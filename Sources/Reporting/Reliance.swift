public import ConsentCore
public import ConsentStore

/// What was relied on.
public enum RelianceSubject: Hashable, Sendable {
  case grant(GrantID)
  /// The grants of this revocation.
  case revocation(ID<Revocation>)
  /// The grants that expire on this named event: the uses between occurred and recorded.
  case expiryEvent(ID<ExpiryEvent>)
}

public struct RelianceReport: Sendable {
  public struct Use: Hashable, Sendable {
    public var decision: DecisionID
    public var decided: Instant
    public var grant: GrantID
    public var image: ImageKey
    public var request: CheckRequest
    /// Decided after the revocation was received, or after the event had occurred, and before the
    /// service knew (45 CFR 164.508(b)(5)(i)): apart from reliance.
    public var isAfterNotice: Bool
  }

  /// The oldest first; an image of a group each for itself.
  public var uses: [Use]
  public var beforeNotice: Int
  public var afterNotice: Int
  /// Images made from the covered ones, in one or more steps, by key.
  public var derivatives: [ImageKey]
  public var head: FeedHead
}

extension Reports {
  /// Permitted uses under a grant decided at a position below its end's, and what was made from
  /// the images it covers.
  ///
  /// The list can still grow while a log has not recorded a batch at or past that position.
  /// - Throws: `ReportError.notFound` or `.grantNotFound`; what the store throws.
  public func reliance(on subject: RelianceSubject) async throws -> RelianceReport {
    let (head, at) = try await moment()
    let relied = try await reliedGrants(subject, asOf: head.position, at: at)
    let uses = try await store.read(organization) { reader in
      var uses: [RelianceReport.Use] = []
      for grant in relied.flatMap(\.grants) {
        try reader.forEachDecision(grant.filter) { uses += $0.uses(under: grant) }
      }
      return uses.sorted {
        ($0.decided, $0.decision.leaf, $0.image) < ($1.decided, $1.decision.leaf, $1.image)
      }
    }
    let after = uses.count { $0.isAfterNotice }
    return RelianceReport(
      uses: uses, beforeNotice: uses.count - after, afterNotice: after,
      derivatives: Set(relied.flatMap(\.derivatives)).sorted(), head: head)
  }

  private func reliedGrants(
    _ subject: RelianceSubject, asOf position: UInt64, at: Instant
  ) async throws -> [ReliedGrants] {
    let patient = try await store.read(organization) { try subject.patient($0) }
    // The event of one patient ends that patient's grants; one of the organization anybody's.
    return try await collect(asOf: position, only: patient) { _, page, facts in
      switch subject {
      case .grant(let id): [ReliedGrants(grant: id, facts: facts, at: at)]
      case .revocation(let id): [ReliedGrants(revocation: id, facts: facts, at: at)]
      case .expiryEvent(let id): [ReliedGrants(event: id, of: page, facts: facts, at: at)]
      }
    }
  }
}

extension RelianceSubject {
  /// Whose records tell of the subject; `nil`: anybody's may.
  fileprivate func patient(_ reader: any FactReader) throws -> PatientID? {
    switch self {
    case .grant(let id):
      guard let patient = try reader.patient(ofGrant: id) else { throw ReportError.grantNotFound }
      return patient
    case .revocation(let id):
      let reference = RecordReference(kind: .revocation, id: id.retyped())
      guard let patient = try reader.patient(of: reference) else {
        throw ReportError.notFound(.revocation)
      }
      return patient
    case .expiryEvent(let id):
      let reference = RecordReference(kind: .expiryEvent, id: id.retyped())
      if let patient = try reader.patient(of: reference) { return patient }
      let organization = try reader.organizationFacts(asOf: nil)
      guard organization.expiryEvents.contains(where: { $0.id == id }) else {
        throw ReportError.notFound(.expiryEvent)
      }
      return nil
    }
  }
}

/// The grants of a subject, each with the end of what may have relied on it.
private struct ReliedGrants: Sendable {
  struct Ended: Sendable {
    var grant: GrantID
    /// Uses decided below this position; `nil`: the grant stands, so every use.
    var below: UInt64?
    /// Uses from here on were after notice.
    var notice: Instant?
    /// Only these uses are asked for.
    var from: Instant?
  }

  var grants: [Ended]
  var derivatives: Set<ImageKey>

  init(grant: GrantID, facts: Facts, at: Instant) {
    let policy = facts.policy(at: at)
    let binding = facts.standing(facts.revocations, .revocation, \.id)
      .filter { $0.grants.contains(grant) }
      .filter { policy.oralRevocationBinds || $0.method != .oral }
      .min { $0.stamp.position < $1.stamp.position }
    self.init(
      [Ended(grant: grant, below: binding?.stamp.position, notice: binding?.received)],
      facts: facts, at: at)
  }

  init(revocation id: ID<Revocation>, facts: Facts, at: Instant) {
    let ended = facts.revocations.filter { $0.id == id }.flatMap { revocation in
      revocation.grants.map {
        Ended(grant: $0, below: revocation.stamp.position, notice: revocation.received)
      }
    }
    self.init(ended, facts: facts, at: at)
  }

  init(event id: ID<ExpiryEvent>, of page: Set<PatientID>, facts: Facts, at: Instant) {
    let resolution = facts.standing(facts.expiryEventResolutions, .expiryEventResolution, \.id)
      .filter { $0.event == id }
      .min { $0.counts < $1.counts }
    let grants = facts.instruments.filter { page.contains($0.patient) }.flatMap(\.grants)
      .filter { $0.expiry == .event(id) }
    let ended = resolution.map { resolution in
      grants.map {
        Ended(
          grant: $0.id, below: resolution.stamp.position, notice: resolution.occurred,
          from: resolution.occurred)
      }
    }
    self.init(ended ?? [], facts: facts, at: at)
  }

  private init(_ grants: [Ended], facts: Facts, at: Instant) {
    self.grants = grants
    let reached = facts.imagesReached(by: Set(grants.map(\.grant)), at: at)
    derivatives = facts.derivatives(of: reached)
  }
}

extension ReliedGrants.Ended {
  fileprivate var filter: DecisionFilter {
    DecisionFilter(
      from: from, positionUntil: below, basisGrant: grant, effect: .permit, usesOnly: true)
  }
}

extension LoggedDecision {
  fileprivate func uses(under grant: ReliedGrants.Ended) -> [RelianceReport.Use] {
    answers.filter { $0.effect == .permit }.map { answer in
      RelianceReport.Use(
        decision: id, decided: answer.at, grant: grant.grant, image: answer.image,
        request: answer.request,
        isAfterNotice: grant.notice.map { answer.at >= $0 } ?? false)
    }
  }
}
