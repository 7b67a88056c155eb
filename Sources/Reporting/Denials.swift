public import ConsentCore
public import ConsentStore

public enum DenialDimension: CaseIterable, Hashable, Sendable {
  case reason
  case image
  case actor
  case channel
}

public struct DenialsQuery: Hashable, Sendable {
  public var period: ReportPeriod
  /// What to count by.
  public var dimensions: Set<DenialDimension>
  /// Only these primary reasons; empty: every one.
  public var reasons: Set<Reason>
  public var patient: PatientID?
  /// Count also worklists that asked which buttons to show.
  public var withPreviews: Bool
  /// Different rows at most.
  public var maximumRows: Int

  public init(
    period: ReportPeriod = .init(), dimensions: Set<DenialDimension> = [.reason],
    reasons: Set<Reason> = [], patient: PatientID? = nil, withPreviews: Bool = false,
    maximumRows: Int = 100_000
  ) {
    self.period = period
    self.dimensions = dimensions
    self.reasons = reasons
    self.patient = patient
    self.withPreviews = withPreviews
    self.maximumRows = maximumRows
  }
}

public struct DenialsReport: Hashable, Sendable {
  /// What a row counts; a dimension not asked for is `nil`.
  public struct Key: Hashable, Sendable {
    public var reason: Reason?
    public var image: ImageKey?
    public var actor: Identifier?
    public var channel: Channel?
  }

  public struct Row: Hashable, Sendable {
    public var key: Key
    /// Images denied: a group counts once for each.
    public var count: Int
    /// The newest of them, for the drill-down.
    public var last: DecisionID
    public var lastAt: Instant
  }

  /// The most frequent first.
  public var rows: [Row]
  public var denials: Int
  /// The denominator: answers of the same selection, permits included, by image.
  public var answers: Int
  public var head: FeedHead
}

extension Reports {
  /// Counts what was denied.
  ///
  /// - Parameter shown: what the reader may see of a reason. Reasons are asked for and counted as
  ///   shown: a filter by the true reason would tell what is hidden.
  /// - Throws: `ReportError.tooManyRows`; what the store throws.
  public func denials(
    _ query: DenialsQuery, shown: @escaping @Sendable (Reason) -> Reason = { $0 }
  ) async throws -> DenialsReport {
    try await store.read(organization) { reader in
      var rows: [DenialsReport.Key: DenialsReport.Row] = [:]
      var denials = 0
      var answers = 0
      let filter = DecisionFilter(
        from: query.period.from, until: query.period.until, patient: query.patient,
        usesOnly: !query.withPreviews)
      try reader.forEachDecision(filter) { logged in
        for var answer in logged.answers {
          answers += 1
          answer.reason = shown(answer.reason)
          guard answer.effect == .deny,
            query.reasons.isEmpty || query.reasons.contains(answer.reason)
          else { continue }
          denials += 1
          let key = query.key(of: answer)
          let count = (rows[key]?.count ?? 0) + 1
          rows[key] = DenialsReport.Row(key: key, count: count, last: logged.id, lastAt: answer.at)
          guard rows.count <= query.maximumRows else {
            throw ReportError.tooManyRows(limit: query.maximumRows)
          }
        }
      }
      return DenialsReport(
        rows: rows.values.sorted(by: DenialsReport.Row.precedes), denials: denials,
        answers: answers, head: reader.head)
    }
  }
}

extension DenialsQuery {
  fileprivate func key(of answer: ImageAnswer) -> DenialsReport.Key {
    DenialsReport.Key(
      reason: dimensions.contains(.reason) ? answer.reason : nil,
      image: dimensions.contains(.image) ? answer.image : nil,
      actor: dimensions.contains(.actor) ? answer.request.actor?.user : nil,
      channel: dimensions.contains(.channel) ? answer.request.channel : nil)
  }
}

extension DenialsReport.Row {
  /// The most frequent first, then the newest; ids only to keep the order the same every time.
  fileprivate static func precedes(_ a: Self, _ b: Self) -> Bool {
    if a.count != b.count { return a.count > b.count }
    if a.lastAt != b.lastAt { return a.lastAt > b.lastAt }
    return (a.last.log, a.last.leaf) > (b.last.log, b.last.leaf)
  }
}
