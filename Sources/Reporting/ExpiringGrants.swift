public import ConsentCore
public import ConsentStore

public struct ExpiringGrantsQuery: Hashable, Sendable {
  public var withinDays: Int
  /// Only grants for one of these uses; empty: for any.
  public var uses: ClosedSet<Use>
  /// Also grants of Part 2 consents (42 CFR 2.13(c)(2)).
  public var withPart2Consents: Bool

  public init(withinDays: Int = 30, uses: ClosedSet<Use> = [], withPart2Consents: Bool = true) {
    self.withinDays = withinDays
    self.uses = uses
    self.withPart2Consents = withPart2Consents
  }
}

public struct ExpiringGrantsReport: Sendable {
  /// One line of the work-list: whom to contact about what, before when.
  public struct Row: Hashable, Sendable {
    public var grant: Grant
    public var instrument: InstrumentID
    public var patient: PatientID
    /// The exact instant of the end, by date, majority or named event.
    public var ends: Instant
    /// Images it reaches, derivatives included.
    public var images: Int
    /// Of these, images that lose a PERMIT for one of the grant's uses and audiences when it ends.
    public var uncovered: Int
  }

  /// The one that ends first before the others.
  public var rows: [Row]
  public var head: FeedHead
}

extension Reports {
  /// Permits in force that end within the days asked.
  /// - Throws: `ReportError.outOfRange`; what the store throws.
  public func expiringGrants(_ query: ExpiringGrantsQuery) async throws -> ExpiringGrantsReport {
    guard (1...3_660).contains(query.withinDays) else {
      throw ReportError.outOfRange("within_days")
    }
    let (head, at) = try await moment()
    let horizon = at.adding(microseconds: Int64(query.withinDays) * .microsecondsPerDay)
    let rows = try await collect(asOf: head.position) { _, page, facts in
      facts.instruments.filter { page.contains($0.patient) && query.asksFor($0) }.flatMap { paper in
        paper.grants.filter(query.asksFor).compactMap { grant in
          facts.expiry(of: grant, in: paper, at: at)
            .flatMap { $0 <= horizon ? facts.row(grant, paper, ends: $0, at: at) : nil }
        }
      }
    }
    return ExpiringGrantsReport(
      rows: rows.sorted { ($0.ends, $0.patient, $0.grant.id) < ($1.ends, $1.patient, $1.grant.id) },
      head: head)
  }
}

extension ExpiringGrantsQuery {
  fileprivate func asksFor(_ paper: Instrument) -> Bool {
    withPart2Consents || paper.kind != .part2Consent
  }

  fileprivate func asksFor(_ grant: Grant) -> Bool {
    grant.effect == .permit && (uses.isEmpty || !grant.uses.intersection(uses).isEmpty)
  }
}

extension Facts {
  /// When a grant in force ends by itself; `nil` if it is not in force or no end is foreseen.
  fileprivate func expiry(of grant: Grant, in paper: Instrument, at: Instant) -> Instant? {
    guard status(of: grant.id, at: at)?.state == .active,
      let ending = ending(of: grant, in: paper), ending.kind == .grantExpired
    else { return nil }
    return ending.ended
  }

  fileprivate func row(
    _ grant: Grant, _ paper: Instrument, ends: Instant, at: Instant
  ) -> ExpiringGrantsReport.Row {
    let images = affectedImages(of: grant, in: paper, at: at)
    // Ending and being revoked leave the same images without it.
    let change = HypotheticalRevocation(
      of: [grant.id], patient: paper.patient, facts: self, at: at)
    let uncovered = images.count { image in
      grant.uses.elements.contains { use in
        grant.audiences.elements.contains { audience in
          change.touched(image, use, audience)?.isLost ?? false
        }
      }
    }
    return ExpiringGrantsReport.Row(
      grant: grant, instrument: paper.id, patient: paper.patient, ends: ends,
      images: images.count, uncovered: uncovered)
  }
}
