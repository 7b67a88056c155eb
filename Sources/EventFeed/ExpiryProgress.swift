internal import ConsentCore
internal import ConsentStore

/// How far the scheduler has come with one organization. Kept in memory only: whoever starts
/// without it looks at everything once, and finds told what was told.
struct ExpiryProgress: Sendable {
  /// Rows up to here were looked at.
  var seen: WatchCursor
  /// Ends and leads up to this instant were looked at; it goes back with the wall clock, which
  /// only means to look again. `nil` before the first round.
  var scanned: Instant?
  /// The terms they were looked at with. Under others, ends and leads before `scanned` may be new.
  var terms: ExpiryTerms
  /// Patients whose records could not be worked on.
  var failed: Set<PatientID> = []
}

/// What is to be looked at in one round, from one snapshot.
struct ExpirySurvey: Sendable {
  var seen: WatchCursor
  var terms: ExpiryTerms
  var patients: Set<PatientID>
  /// When something is due next.
  var next: Instant?

  /// - Parameter progress: `nil` looks at everything.
  init(
    _ reader: any FactReader, at: Instant, since progress: ExpiryProgress?, rowsPerPage: Int
  ) throws {
    let policies = try reader.organizationFacts(asOf: nil)
    terms = ExpiryTerms(policies.policy(at: at))
    let recorded = try Recorded(reader, since: progress?.seen, rowsPerPage: rowsPerPage)
    seen = recorded.seen
    patients = recorded.patients.union(progress?.failed ?? [])
    // A policy takes effect at its date without anything being recorded then.
    let isAsBefore = !recorded.concernsEverybody && progress?.terms == terms
    let scanned = isAsBefore ? progress?.scanned : nil
    var next: [Instant] = policies.policies.map(\.effective).filter { $0 > at }
    for lead in terms.leads {
      let through = at.adding(microseconds: lead)
      let after = scanned?.adding(microseconds: lead) ?? .distantPast
      patients.formUnion(try reader.patientsDue(after: after, through: through))
      if let due = try reader.nextDue(after: through) {
        next.append(due.adding(microseconds: -lead))
      }
    }
    self.next = next.min()
  }
}

/// The organization's policy, as far as it concerns ends.
struct ExpiryTerms: Hashable, Sendable {
  /// Something ends for the scheduler when the clock says `until` + this or later.
  var allowance: Int64
  /// Lead times of `GrantExpiringSoon` in days.
  var soonDays: Set<Int>

  init(_ policy: Policy) {
    allowance = max(0, policy.clockAllowanceMicroseconds)
    // A lead beyond a century is none that anybody waits for, and days times microseconds fit.
    soonDays = Set(policy.expiringSoonDays).filter { (1...36_525).contains($0) }
  }

  /// How far ahead of the instants that the store plans something is to be told, in microseconds:
  /// ends after the allowance, what has none at its instant, and each lead time.
  var leads: Set<Int64> { Set([-allowance, 0] + soonDays.map { Int64($0) * .microsecondsPerDay }) }
}

/// What was recorded since a place in the feed.
private struct Recorded {
  var seen: WatchCursor
  var patients: Set<PatientID> = []
  /// Something was recorded that may concern any patient, or it cannot be told what was.
  var concernsEverybody = false

  init(_ reader: any FactReader, since: WatchCursor?, rowsPerPage: Int) throws {
    seen = WatchCursor(reader.head)
    guard let since, try reader.head(at: since.position)?.chain == since.chain else {
      concernsEverybody = true
      return
    }
    var position = since.position
    while position < seen.position {
      let rows = try reader.feed(after: position, limit: rowsPerPage)
      guard let last = rows.last else { break }
      position = last.position
      for row in rows where row.event.kind.changesFacts {
        if let patient = row.event.patient { patients.insert(patient) }
        concernsEverybody = concernsEverybody || row.event.mayConcernEverybody
      }
    }
  }
}

extension FeedEvent {
  /// A change of policy moves leads, a resolved event of the organization ends anybody's grants,
  /// and a record entered in error may have been either. Forms and images end nothing.
  fileprivate var mayConcernEverybody: Bool {
    switch kind {
    case .formRegistered, .imageRegistered, .imageCorrected, .deidentificationDetermined,
      .deidentificationWithdrawn:
      false
    default: patient == nil
    }
  }
}

extension FactReader {
  /// Patients for whom something is due in (`after`, `through`], and perhaps others.
  fileprivate func patientsDue(after: Instant, through: Instant) throws -> [PatientID] {
    guard let first = try nextDue(after: after), first <= through else { return [] }
    return try patientsWithDueWork(at: through, limit: Int(Int32.max))
  }
}
