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
    try await store.read(organization) { reader in
      let relied = try ReliedGrants(subject, reader: reader)
      var uses: [RelianceReport.Use] = []
      for grant in relied.grants {
        try reader.forEachDecision(grant.filter) { logged in
          uses += logged.uses(under: grant)
        }
      }
      uses.sort {
        ($0.decided, $0.decision.leaf, $0.image) < ($1.decided, $1.decision.leaf, $1.image)
      }
      let after = uses.count { $0.isAfterNotice }
      return RelianceReport(
        uses: uses, beforeNotice: uses.count - after, afterNotice: after,
        derivatives: relied.derivatives.sorted(), head: reader.head)
    }
  }
}

/// The grants of a subject, each with the end of what may have relied on it.
private struct ReliedGrants {
  struct Ended {
    var grant: GrantID
    /// Uses decided below this position; `nil`: the grant stands, so every use.
    var below: UInt64?
    /// Uses from here on were after notice.
    var notice: Instant?
    /// Only these uses are asked for.
    var from: Instant?
  }

  var grants: [Ended] = []
  var derivatives: Set<ImageKey> = []
  private let at: Instant

  init(_ subject: RelianceSubject, reader: any FactReader) throws {
    at = reader.now
    switch subject {
    case .grant(let grant):
      guard let patient = try reader.patient(ofGrant: grant) else {
        throw ReportError.grantNotFound
      }
      let facts = try reader.facts(patients: [patient], asOf: nil)
      let policy = facts.policy(at: at)
      let binding = facts.standing(facts.revocations, .revocation, \.id)
        .filter { $0.grants.contains(grant) }
        .filter { policy.oralRevocationBinds || $0.method != .oral }
        .min { $0.stamp.position < $1.stamp.position }
      add([grant], below: binding?.stamp.position, notice: binding?.received, facts: facts)
    case .revocation(let id):
      let reference = RecordReference(kind: .revocation, id: id.retyped())
      guard let patient = try reader.patient(of: reference) else {
        throw ReportError.notFound(.revocation)
      }
      let facts = try reader.facts(patients: [patient], asOf: nil)
      guard let revocation = facts.revocations.first(where: { $0.id == id }) else {
        throw ReportError.notFound(.revocation)
      }
      add(
        revocation.grants, below: revocation.stamp.position, notice: revocation.received,
        facts: facts)
    case .expiryEvent(let id):
      try addGrants(on: id, reader: reader)
    }
  }

  private mutating func addGrants(on event: ID<ExpiryEvent>, reader: any FactReader) throws {
    let reference = RecordReference(kind: .expiryEvent, id: event.retyped())
    let patient = try reader.patient(of: reference)
    let organization = try reader.organizationFacts(asOf: nil)
    guard patient != nil || organization.expiryEvents.contains(where: { $0.id == event }) else {
      throw ReportError.notFound(.expiryEvent)
    }
    // The event of one patient ends that patient's grants; one of the organization anybody's.
    try reader.forEachPatientPage(only: patient) { page, facts in
      let resolution = facts.standing(
        facts.expiryEventResolutions, .expiryEventResolution, \.id
      )
      .filter { $0.event == event }
      .min { $0.counts < $1.counts }
      guard let resolution else { return }
      let grants = facts.instruments.filter { page.contains($0.patient) }.flatMap(\.grants)
        .filter { $0.expiry == .event(event) }.map(\.id)
      add(
        grants, below: resolution.stamp.position, notice: resolution.occurred,
        from: resolution.occurred, facts: facts)
    }
  }

  private mutating func add(
    _ ids: [GrantID], below: UInt64?, notice: Instant?, from: Instant? = nil, facts: Facts
  ) {
    for id in ids { grants.append(Ended(grant: id, below: below, notice: notice, from: from)) }
    derivatives.formUnion(facts.derivatives(of: facts.imagesReached(by: Set(ids), at: at)))
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
