public import ConsentCore
public import ConsentStore

/// What would be revoked.
public enum WhatIfTarget: Hashable, Sendable {
  case grant(GrantID)
  /// Every permit line of this paper.
  case instrument(InstrumentID)
  /// Every permit line of this patient's papers.
  case patient(PatientID)
}

public struct WhatIfReport: Sendable {
  public struct Touched: Hashable, Sendable {
    public var image: ImageKey
    public var use: Use
    public var audience: Audience
    public var before: CoverageClass
    public var after: CoverageClass
    /// The grants a PERMIT would still rest on.
    public var remaining: [GrantID]

    /// A Check that is permitted now would be denied.
    public var isLost: Bool { before.isCovered && !after.isCovered }
  }

  /// Each image, use and audience for which the answer rests on the grants now, by image key.
  public var touched: [Touched]
  /// Different images among them, and those that would lose a PERMIT.
  public var images: Int
  public var losing: Int
  /// Permitted uses under the grants so far.
  public var reliedUses: Int
  public var derivatives: [ImageKey]
  /// Whose grants they are.
  public var patient: PatientID
  public var head: FeedHead
}

extension Reports {
  /// What a revocation recorded now would change. Nothing is recorded.
  /// - Throws: `ReportError.notFound` or `.grantNotFound`; what the store throws.
  public func whatIf(revoking target: WhatIfTarget) async throws -> WhatIfReport {
    try await store.read(organization) { reader in
      let patient = try target.patient(reader)
      let facts = try reader.facts(patients: [patient], asOf: nil)
      let grants = target.grants(of: patient, in: facts)
      let change = HypotheticalRevocation(
        of: grants, patient: patient, facts: facts, at: reader.now)
      let touched = facts.standingImages().map(\.key).sorted().flatMap(change.touched)
      var reliedUses = 0
      for grant in grants {
        let filter = DecisionFilter(basisGrant: grant, effect: .permit, usesOnly: true)
        try reader.forEachDecision(filter) { logged in
          reliedUses += logged.answers.count { $0.effect == .permit }
        }
      }
      return WhatIfReport(
        touched: touched, images: Set(touched.map(\.image)).count,
        losing: Set(touched.filter(\.isLost).map(\.image)).count, reliedUses: reliedUses,
        derivatives: facts.derivatives(of: facts.imagesReached(by: grants, at: reader.now))
          .sorted(),
        patient: patient, head: reader.head)
    }
  }
}

extension WhatIfTarget {
  fileprivate func patient(_ reader: any FactReader) throws -> PatientID {
    switch self {
    case .grant(let id):
      guard let patient = try reader.patient(ofGrant: id) else { throw ReportError.grantNotFound }
      return patient
    case .instrument(let id):
      let reference = RecordReference(kind: .instrument, id: id.retyped())
      guard let patient = try reader.patient(of: reference) else {
        throw ReportError.notFound(.instrument)
      }
      return patient
    case .patient(let id):
      return id
    }
  }

  fileprivate func grants(of patient: PatientID, in facts: Facts) -> Set<GrantID> {
    let papers = facts.standing(facts.instruments, .instrument, \.id)
    func permits(_ papers: [Instrument]) -> Set<GrantID> {
      Set(papers.flatMap(\.grants).filter { $0.effect == .permit }.map(\.id))
    }
    return switch self {
    case .grant(let id): [id]
    case .instrument(let id): permits(papers.filter { $0.id == id })
    case .patient: permits(papers.filter { $0.patient == patient })
    }
  }
}

/// The same facts with one revocation more, which nobody has recorded.
struct HypotheticalRevocation {
  private let grants: Set<GrantID>
  private let before: Facts
  private let after: Facts
  private let at: Instant

  init(of grants: Set<GrantID>, patient: PatientID, facts: Facts, at: Instant) {
    self.grants = grants
    self.at = at
    before = facts
    var after = facts
    let day = LocalDay(daysSince1970: 0)
    after.insert(
      .revocation(
        Revocation(
          id: ID(high: 0, low: 0), patient: patient, grants: grants.sorted(), method: .written,
          signer: Signer(capacity: .individual), signed: SignedTime(day: day, instant: at),
          received: at, stamp: Stamp(position: facts.position + 1, recorded: at, by: ""))))
    self.after = after
  }

  /// The uses and audiences for which the image's answer rests on the grants.
  func touched(_ image: ImageKey) -> [WhatIfReport.Touched] {
    Use.allCases.flatMap { use in
      Audience.allCases.compactMap { audience in touched(image, use, audience) }
    }
  }

  func touched(_ image: ImageKey, _ use: Use, _ audience: Audience) -> WhatIfReport.Touched? {
    let now = probe(image: image, use: use, audience: audience, facts: before, at: at)
    let then = probe(image: image, use: use, audience: audience, facts: after, at: at)
    let restsOnThem = now.records.contains { record in
      record.part == .basis && record.grant.map(grants.contains) ?? false
    }
    guard now.coverageClass.isCovered, restsOnThem || now.coverageClass != then.coverageClass
    else { return nil }
    return WhatIfReport.Touched(
      image: image, use: use, audience: audience, before: now.coverageClass,
      after: then.coverageClass,
      remaining: then.records.filter { $0.part == .basis }.compactMap(\.grant))
  }
}
