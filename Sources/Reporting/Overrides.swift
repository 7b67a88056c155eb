public import ConsentCore
public import ConsentStore

public struct OverridesQuery: Hashable, Sendable {
  /// When they were used.
  public var period: ReportPeriod
  /// Only those not reviewed yet.
  public var awaitingReview: Bool
  /// Decisions whose review (`ReviewOverride`) is recorded.
  public var reviewed: Set<DecisionID>

  public init(
    period: ReportPeriod = .init(), awaitingReview: Bool = false, reviewed: Set<DecisionID> = []
  ) {
    self.period = period
    self.awaitingReview = awaitingReview
    self.reviewed = reviewed
  }
}

public struct OverridesReport: Hashable, Sendable {
  public struct Row: Hashable, Sendable {
    public var decision: DecisionID
    public var used: Instant
    public var actor: Actor?
    public var image: ImageKey
    public var patient: PatientID?
    public var attestation: EmergencyAttestation?
    /// EMERGENCY_OVERRIDE or PART2_MEDICAL_EMERGENCY.
    public var reason: Reason
    /// What it would have been denied for; `nil` for an image of a group, whose record holds the
    /// summary's reasons only.
    public var denied: Reason?
    /// `nil`: the answer set no time.
    public var reviewBy: Instant?
    public var isReviewed: Bool
  }

  /// The newest first.
  public var rows: [Row]
  /// All in the period, whatever was asked for.
  public var total: Int
  public var awaitingReview: Int
  public var head: FeedHead
}

extension Reports {
  /// Emergency overrides, and which of them await review.
  public func overrides(_ query: OverridesQuery) async throws -> OverridesReport {
    try await store.read(organization) { reader in
      var rows: [OverridesReport.Row] = []
      let filter = DecisionFilter(
        from: query.period.from, until: query.period.until,
        primaries: [.emergencyOverride, .part2MedicalEmergency])
      try reader.forEachDecision(filter) { logged in
        rows += logged.overrides(isReviewed: query.reviewed.contains(logged.id))
      }
      rows.sort { ($0.used, $0.decision.leaf, $1.image) > ($1.used, $1.decision.leaf, $0.image) }
      let awaiting = rows.count { !$0.isReviewed }
      return OverridesReport(
        rows: query.awaitingReview ? rows.filter { !$0.isReviewed } : rows, total: rows.count,
        awaitingReview: awaiting, head: reader.head)
    }
  }
}

extension LoggedDecision {
  fileprivate func overrides(isReviewed: Bool) -> [OverridesReport.Row] {
    let decision = entry.decision
    let hours = decision.obligations.compactMap { obligation -> Int? in
      guard case .reviewWithin(let hours) = obligation else { return nil }
      return hours
    }.min()
    return
      answers
      .filter { $0.reason == .emergencyOverride || $0.reason == .part2MedicalEmergency }
      .map { answer in
        OverridesReport.Row(
          decision: id, used: decision.at, actor: entry.request.actor, image: answer.image,
          patient: entry.patient, attestation: entry.request.emergency, reason: answer.reason,
          denied: entry.group == nil ? decision.further.first : nil,
          reviewBy: hours.map {
            decision.at.adding(microseconds: Int64($0) * .microsecondsPerHour)
          },
          isReviewed: isReviewed)
      }
  }
}
