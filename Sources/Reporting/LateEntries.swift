public import ConsentCore
public import ConsentStore

public struct LateEntriesQuery: Hashable, Sendable {
  /// When they were recorded (for an error: when it was reported).
  public var recorded: ReportPeriod
  /// Late from so many days between received, or signed, and recorded.
  public var lateDays: Int
  /// Only what this caller recorded.
  public var recordedBy: String?
  /// Decisions named for each entry at most; their number is always whole.
  public var maximumDecisions: Int
  /// Also Part 2 consents, and revocations of nothing else (42 CFR 2.13(c)(2)).
  public var withPart2Consents: Bool

  public init(
    recorded: ReportPeriod = .init(), lateDays: Int = 7, recordedBy: String? = nil,
    maximumDecisions: Int = 1_000, withPart2Consents: Bool = true
  ) {
    self.recorded = recorded
    self.lateDays = lateDays
    self.recordedBy = recordedBy
    self.maximumDecisions = maximumDecisions
    self.withPart2Consents = withPart2Consents
  }
}

public struct LateEntriesReport: Sendable {
  public struct Entry: Hashable, Sendable {
    public var record: RecordReference
    public var patient: PatientID?
    public var recordedBy: String
    public var recorded: Instant
    public var signed: SignedTime?
    public var received: Instant?
    /// When it was entered in error; `nil`: it stands.
    public var enteredInError: Instant?
    /// Uses whose answer it would have changed had it been recorded in time, or, of a record
    /// entered in error, had the error been known. None of the answers changes.
    public var affectedUses: Int
    public var affected: [DecisionID]
  }

  /// The newest first.
  public var entries: [Entry]
  /// The denominator: papers recorded in the period (by the caller asked for).
  public var papers: Int
  public var head: FeedHead
}

extension Reports {
  /// Papers recorded long after they were signed or received, and records entered in error, with
  /// the uses in between.
  public func lateEntries(_ query: LateEntriesQuery) async throws -> LateEntriesReport {
    guard (1...36_525).contains(query.lateDays), query.maximumDecisions >= 0 else {
      throw ReportError.outOfRange("late_days")
    }
    let (head, _) = try await moment()
    let found = try await collect(asOf: head.position) { reader, page, facts in
      let review = EntryReview(query: query, facts: facts, reader: reader)
      return [
        (papers: review.papers(of: page), entries: try review.late(of: page) + review.errors())
      ]
    }
    // What concerns two patients, or the organization, comes with each page.
    var told: Set<RecordReference> = []
    let entries = found.flatMap(\.entries).filter { told.insert($0.record).inserted }
    return LateEntriesReport(
      entries: entries.sorted { ($0.recorded, $0.record.id) > ($1.recorded, $1.record.id) },
      papers: found.map(\.papers).reduce(0, +), head: head)
  }
}

/// Looks through the records of one page of patients.
private struct EntryReview {
  let query: LateEntriesQuery
  let facts: Facts
  let reader: any FactReader

  func papers(of page: Set<PatientID>) -> Int {
    facts.instruments.count { page.contains($0.patient) && isAsked($0.stamp) && isShown($0) }
      + facts.revocations.count { page.contains($0.patient) && isAsked($0.stamp) && isShown($0) }
  }

  func late(of page: Set<PatientID>) throws -> [LateEntriesReport.Entry] {
    let papers = try facts.standing(facts.instruments, .instrument, \.id)
      .filter { page.contains($0.patient) && isAsked($0.stamp) && isShown($0) && isLate($0) }
      .map(entry)
    let revocations = try facts.standing(facts.revocations, .revocation, \.id)
      .filter { page.contains($0.patient) && isAsked($0.stamp) && isShown($0) && isLate($0) }
      .map(entry)
    return papers + revocations
  }

  func errors() throws -> [LateEntriesReport.Entry] {
    try facts.standing(facts.enteredInError, .enteredInError, \.id)
      .filter { isAsked($0.stamp) }
      .compactMap(entry)
  }

  private func isAsked(_ stamp: Stamp) -> Bool {
    query.recorded.contains(stamp.recorded) && query.recordedBy.map { $0 == stamp.by } ?? true
  }

  private func isShown(_ paper: Instrument) -> Bool {
    query.withPart2Consents || paper.kind != .part2Consent
  }

  private func isShown(_ revocation: Revocation) -> Bool {
    query.withPart2Consents
      || facts.instruments.contains { paper in
        isShown(paper) && paper.grants.contains { revocation.grants.contains($0.id) }
      }
  }

  private var limit: Int64 { Int64(query.lateDays) * .microsecondsPerDay }

  private func isLate(_ paper: Instrument) -> Bool {
    let onDesk = paper.stamp.recorded.microseconds &- paper.received.microseconds
    if onDesk >= limit { return true }
    guard let signed = paper.signed else { return false }
    // In local days up to the receipt, so that no time zone is needed.
    let underway = Int64(paper.receivedDay.daysSince1970) - Int64(signed.day.daysSince1970)
    return underway + onDesk / .microsecondsPerDay >= Int64(query.lateDays)
  }

  private func isLate(_ revocation: Revocation) -> Bool {
    let recorded = revocation.stamp.recorded.microseconds
    if recorded &- revocation.received.microseconds >= limit { return true }
    let signed =
      revocation.signed.instant?.microseconds
      ?? (Int64(revocation.signed.day.daysSince1970) + 1) * .microsecondsPerDay
    return recorded &- signed >= limit
  }

  // MARK: Entries

  private func entry(_ paper: Instrument) throws -> LateEntriesReport.Entry {
    // Nothing decided before the day of signing can be covered; a day more, for the time zone.
    let signedDay = Int64(paper.signedOrReceived.day.daysSince1970) - 1
    let affected = try affected(
      by: .instrument(paper), patients: patients(with: paper.patient),
      filter: DecisionFilter(
        from: Instant(microseconds: signedDay * .microsecondsPerDay),
        positionUntil: paper.stamp.position, usesOnly: true))
    return LateEntriesReport.Entry(
      record: RecordReference(kind: .instrument, id: paper.id.retyped()), patient: paper.patient,
      recordedBy: paper.stamp.by, recorded: paper.stamp.recorded, signed: paper.signed,
      received: paper.received, enteredInError: nil, affectedUses: affected.count,
      affected: affected.named)
  }

  /// A revocation binds from its recording; what it would have changed was used after notice.
  private func entry(_ revocation: Revocation) throws -> LateEntriesReport.Entry {
    var affected = Affected(maximum: query.maximumDecisions)
    for grant in Set(revocation.grants) {
      let filter = DecisionFilter(
        from: revocation.received, positionUntil: revocation.stamp.position, basisGrant: grant,
        effect: .permit, usesOnly: true)
      try reader.forEachDecision(filter) { logged in
        for answer in logged.answers where answer.effect == .permit { affected.add(answer) }
      }
    }
    return LateEntriesReport.Entry(
      record: RecordReference(kind: .revocation, id: revocation.id.retyped()),
      patient: revocation.patient, recordedBy: revocation.stamp.by,
      recorded: revocation.stamp.recorded, signed: revocation.signed,
      received: revocation.received, enteredInError: nil, affectedUses: affected.count,
      affected: affected.named)
  }

  private func entry(_ error: EnteredInError) throws -> LateEntriesReport.Entry? {
    guard let target = facts.find(error.target) else { return nil }
    if case .instrument(let paper) = target, !isShown(paper) { return nil }
    if case .revocation(let revocation) = target, !isShown(revocation) { return nil }
    let patient = try reader.patient(of: error.target)
    let affected = try affected(
      by: .enteredInError(error), patients: patient.map(patients) ?? [nil],
      filter: DecisionFilter(
        positionFrom: target.stamp.position, positionUntil: error.stamp.position, usesOnly: true))
    var entry = LateEntriesReport.Entry(
      record: error.target, patient: patient, recordedBy: target.stamp.by,
      recorded: target.stamp.recorded, signed: nil, received: nil,
      enteredInError: error.stamp.recorded, affectedUses: affected.count,
      affected: affected.named)
    if case .instrument(let paper) = target {
      entry.signed = paper.signed
      entry.received = paper.received
    }
    return entry
  }

  // MARK: Answers given meanwhile

  /// A patient with all registrations ever merged with it.
  private func patients(with patient: PatientID) -> [PatientID?] {
    var kin: Set<PatientID> = [patient]
    var size = 0
    while size < kin.count {
      size = kin.count
      for merge in facts.merges where kin.contains(merge.survivor) || kin.contains(merge.merged) {
        kin.formUnion([merge.survivor, merge.merged])
      }
    }
    return kin.sorted()
  }

  /// The uses whose effect is another when `record` is added to what was known then, and nothing
  /// else: by the same `decide`, at the same instant.
  private func affected(
    by record: Record, patients: [PatientID?], filter: DecisionFilter
  ) throws -> Affected {
    var affected = Affected(maximum: query.maximumDecisions)
    for patient in patients {
      var filter = filter
      filter.patient = patient
      try reader.forEachDecision(filter) { logged in
        for answer in logged.answers {
          var known = try reader.facts(
            images: [answer.image], asOf: logged.entry.decision.position)
          known.insert(record)
          var request = answer.request
          request.image = answer.image
          let decision = decide(
            request, caller: logged.entry.limits, facts: known, at: answer.at)
          if decision.effect != answer.effect { affected.add(answer) }
        }
      }
    }
    return affected
  }
}

private struct Affected {
  var count = 0
  var named: [DecisionID] = []
  let maximum: Int

  init(maximum: Int) { self.maximum = maximum }

  mutating func add(_ answer: ImageAnswer) {
    count += 1
    if named.count < maximum, named.last != answer.logged.id { named.append(answer.logged.id) }
  }
}
