/// What the facts say of one image, gathered once: any question about the image, at any instant, is
/// decided on it. Nothing in it depends on the question, the caller or the clock.
///
/// Who asks about an image again and again keeps one of these. `decide` on plain facts makes one
/// and decides on it too, so that there is one way to a decision.
public final class ImageCase: Sendable {
  public let key: ImageKey
  public let facts: Facts
  let errors: EnteredErrors
  /// `nil`: no record of the image stands.
  let lineage: Lineage?
  /// The versions that speak of the patients of the lineage and of every registration ever merged
  /// with them.
  let patients: [PatientID: PatientRecord]
  let lines: [Line]
  /// Of the lines the permits of some strength.
  let permits: [Line]
  /// Those that limit the permits of their own paper.
  let exclusions: [Line]
  let agreedRestrictions: [Line]
  /// The denies that stand for themselves.
  let standingDenies: [Line]
  /// Those that count, the highest version first; the built-in one, effective always, is the last.
  let policies: [PolicyVersion]
  /// One beside the built-in one.
  private let hasOwnPolicy: Bool
  /// Every instant at which any fact of this case begins or ceases to count, ascending.
  let boundaries: [Instant]
  /// For the uses of each boundary's own lines, or all: a question about another use has the same
  /// answer on both sides of it, as every rung looks at a line only if it has the question's use.
  let boundaryUses: [ClosedSet<Use>]
  /// Some policy asks for distance from these.
  let hasAllowance: Bool
  let wasMerged: Bool
  /// Whose each image of the lineage is where nobody was ever merged.
  let ownHolders: [[PatientID]]
  /// Of the image itself, never of a source; the latest first.
  let determinations: [Determination]
  /// A determination or the image's own claim says that it is de-identified, rightly or not.
  let isSaidDeidentified: Bool
  /// Records that cannot be read and were not entered in error.
  let unevaluable: [UnevaluableRecord]
  /// The image or anything it was made from is marked.
  let isPart2: Bool
  /// Whose the newest version of the image is, entered in error or not; `nil`: there is none.
  public let latestPatient: PatientID?
  /// What may make it differ from another image's case; `nil`: it is like no other.
  private let likeness: Likeness?

  private struct Likeness {
    /// Images that a paper names by their keys.
    var named: Set<ImageKey>
    /// A paper speaks of what was there when it was signed.
    var dependsOnDays: Bool
  }

  public convenience init(_ key: ImageKey, facts: Facts) {
    let errors = EnteredErrors(facts.enteredInError)
    self.init(
      key, facts: facts, errors: errors,
      lineage: Lineage(of: key) { facts.currentImage($0, errors: errors) })
  }

  convenience init(_ key: ImageKey, in known: IndexedFacts) {
    self.init(
      key, facts: known.facts, errors: known.errors, lineage: Lineage(of: key, in: known))
  }

  private init(_ key: ImageKey, facts: Facts, errors: EnteredErrors, lineage: Lineage?) {
    self.key = key
    self.facts = facts
    self.errors = errors
    self.lineage = lineage
    let links = facts.merges
      .filter { !errors.contains(.merge, $0.id) }
      .map { ($0.survivor, $0.merged) }
    let kin = connected(to: Set(lineage?.images.map(\.patient) ?? []), by: links)
    var patients: [PatientID: PatientRecord] = [:]
    for patient in kin { patients[patient] = facts.currentPatient(patient, errors: errors) }
    self.patients = patients
    let lines =
      lineage.map { Line.gather(facts: facts, errors: errors, lineage: $0, kin: kin) } ?? []
    self.lines = lines
    permits = lines.filter { $0.isPermit && $0.strength > .none }
    exclusions = lines.filter(\.isExclusion)
    agreedRestrictions = lines.filter { !$0.isPermit && $0.paper.kind == .restrictionAgreed }
    standingDenies = lines.filter(\.isStandingDeny)
    policies = facts.policiesThatCount(errors: errors)
    (boundaries, boundaryUses) = facts.boundaries(
      lineage: lineage, patients: patients.values, lines: lines)
    hasOwnPolicy = policies.count > 1
    hasAllowance = facts.policies.contains { $0.clockAllowanceMicroseconds > 0 }
    wasMerged = !facts.merges.isEmpty
    ownHolders = lineage?.images.map { [$0.patient] } ?? []
    let own = lineage?.own.key
    determinations =
      facts.determinations
      .filter { $0.image == own && !errors.contains(.determination, $0.id) }
      .sorted { ($1.determined, $0.id) < ($0.determined, $1.id) }
    isSaidDeidentified =
      !determinations.isEmpty || lineage?.own.claims.identityRemoved == .yes
    unevaluable = facts.unevaluable.filter {
      !errors.contains($0.reference.kind, $0.reference.id)
    }
    isPart2 = lineage?.images.contains { $0.part2 != nil } ?? false
    latestPatient =
      facts.images.lazy
      .filter { $0.key == key }
      .max { $0.version < $1.version }?.patient
    likeness = Self.likeness(facts, lineage)
  }

  /// The case of another image, where the facts say the same of both: nothing but their papers
  /// speaks of them, and no paper tells them apart.
  ///
  /// Takes a small part of the time that gathering does, and of the memory.
  ///
  /// - Parameter image: its only version.
  /// - Returns: `nil` where they may differ.
  public init?(like other: ImageCase, of image: ImageRecord) {
    guard let likeness = other.likeness, let own = other.lineage?.images[0],
      image.sources.isEmpty, own.patient == image.patient, own.kind == image.kind,
      own.studyUID == image.studyUID, own.seriesUID == image.seriesUID,
      own.claims == image.claims, own.part2 == image.part2,
      !likeness.dependsOnDays
        || (own.acquiredDay == image.acquiredDay && own.firstRecorded == image.firstRecorded),
      likeness.named.isEmpty
        || !(likeness.named.contains(image.key) || likeness.named.contains(other.key))
    else { return nil }
    key = image.key
    facts = other.facts
    errors = other.errors
    lineage = other.lineage
    patients = other.patients
    lines = other.lines
    permits = other.permits
    exclusions = other.exclusions
    agreedRestrictions = other.agreedRestrictions
    standingDenies = other.standingDenies
    policies = other.policies
    boundaries = other.boundaries
    boundaryUses = other.boundaryUses
    hasOwnPolicy = other.hasOwnPolicy
    hasAllowance = other.hasAllowance
    wasMerged = other.wasMerged
    ownHolders = other.ownHolders
    determinations = other.determinations
    isSaidDeidentified = other.isSaidDeidentified
    unevaluable = other.unevaluable
    isPart2 = other.isPart2
    latestPatient = other.latestPatient
    self.likeness = likeness
  }

  private static func likeness(_ facts: Facts, _ lineage: Lineage?) -> Likeness? {
    guard let lineage, facts.images.count == 1, lineage.images.count == 1, !lineage.lacksSource,
      facts.determinations.isEmpty, facts.merges.isEmpty,
      !facts.enteredInError.contains(where: { $0.target.kind == .image })
    else { return nil }
    var likeness = Likeness(named: [], dependsOnDays: false)
    for paper in facts.instruments {
      for grant in paper.grants {
        if case .image(let key) = grant.scope { likeness.named.insert(key) }
        if grant.presentOnly { likeness.dependsOnDays = true }
      }
    }
    return likeness
  }

  /// The feed position its facts were read at.
  public var position: UInt64 { facts.position }
  public var organizationHoldsPart2: Bool { facts.organizationHoldsPart2 }

  /// Of `policies` the one in force at an instant.
  func policyInForce(at: Instant) -> PolicyVersion {
    guard hasOwnPolicy else { return .builtIn }
    for policy in policies where policy.policy.effective <= at { return policy }
    return .builtIn
  }
}

/// A policy that is handed about without being copied.
final class PolicyVersion: Sendable {
  let policy: Policy

  init(_ policy: Policy) { self.policy = policy }

  static let builtIn = PolicyVersion(.builtIn)
}

extension Facts {
  fileprivate func policiesThatCount(errors: EnteredErrors) -> [PolicyVersion] {
    let counting = policies.enumerated()
      .filter { $1.version > 0 && !errors.contains(.policy, $1.recordID) }
      .sorted { ($1.element.version, $0.offset) < ($0.element.version, $1.offset) }
      .map { PolicyVersion($0.element) }
    return counting + [.builtIn]
  }

  fileprivate func boundaries(
    lineage: Lineage?, patients: some Sequence<PatientRecord>, lines: [Line]
  ) -> (instants: [Instant], uses: [ClosedSet<Use>]) {
    var found: [(instant: Instant, uses: ClosedSet<Use>)] = []
    func add(_ instant: Instant?, _ uses: ClosedSet<Use> = .all) {
      // The ends of the range stand for "always" and "never".
      if let instant, instant > .distantPast, instant != .distantFuture {
        found.append((instant, uses))
      }
    }
    for policy in policies { add(policy.effective) }
    for line in lines {
      add(line.grant.effectiveFrom, line.uses)
      add(line.endsByDate, line.uses)
      add(line.endsByEvent, line.uses)
      add(line.falsified, line.uses)
      add(line.restrictionEnded, line.uses)
      add(line.withoutAuthority, line.uses)
      for revocation in line.revocations { add(revocation.stamp.recorded, line.uses) }
    }
    for patient in patients { add(patient.majority) }
    if let own = lineage?.own {
      for determination in determinations where determination.image == own.key {
        add(determination.determined)
        add(determination.until)
        for withdrawal in determinationWithdrawals
        where withdrawal.determination == determination.id {
          add(withdrawal.stamp.recorded)
        }
      }
    }
    for merge in merges { add(merge.stamp.recorded) }
    for unmerge in unmerges { add(unmerge.stamp.recorded) }
    found.sort { $0.instant < $1.instant }
    var instants: [Instant] = []
    var uses: [ClosedSet<Use>] = []
    for one in found {
      if let last = instants.last, last == one.instant {
        uses[uses.count - 1] = uses[uses.count - 1].union(one.uses)
      } else {
        instants.append(one.instant)
        uses.append(one.uses)
      }
    }
    return (instants, uses)
  }
}
