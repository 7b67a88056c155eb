public import ConsentCore
public import ConsentStore

/// One line of an accounting (45 CFR 164.528(b)(2)).
public struct DisclosureLine: Hashable, Sendable {
  public enum Source: Hashable, Sendable {
    /// A permitted use that nothing excludes.
    case decision(DecisionID)
    /// A use that was reported after it was made, and of which the rules know no ground; with the
    /// decision that was not followed, if there was one.
    case useReport(ID<UseReport>, DecisionID?)
    case recorded(ID<Disclosure>)
  }

  public var at: Instant
  /// As it was stated, of what was recorded by hand.
  public var stated: SignedTime?
  public var recipient: Party?
  public var information: String
  public var purpose: String
  public var source: Source
}

public struct AccountingReport: Sendable {
  /// The oldest first.
  public var lines: [DisclosureLine]
  /// The period accounted for.
  public var period: Range<Instant>
  public var head: FeedHead
}

extension Reports {
  /// Six years and a day too many rather than one too few (164.528(a)(1)).
  public static let accountingReach = 2_192 * Int64.microsecondsPerDay

  /// The disclosures of one patient, with the registrations ever merged with it.
  ///
  /// Left out is what 164.528(a)(1) leaves out: disclosures for treatment, payment and operations
  /// (i), to the individual (ii) and under an authorization (iv); what is not protected information
  /// any more; and uses within the organization, which are no disclosures. **An authorization counts
  /// as one only if it still does**: what rested on a paper entered in error, or was permitted after
  /// the revocation had been received and before it was recorded, is accounted for.
  ///
  /// - Parameter period: shortened to the six years before now.
  public func accounting(
    of patient: PatientID, _ period: ReportPeriod = .init()
  ) async throws -> AccountingReport {
    try await store.read(organization) { reader in
      let floor = reader.now.adding(microseconds: -Reports.accountingReach)
      let from = max(period.from ?? floor, floor)
      // Now is within it: of this very instant something may have been disclosed.
      let until = min(period.until ?? .distantFuture, reader.now.adding(microseconds: 1))
      let span = from..<max(from, until)
      let facts = try reader.facts(patients: [patient], asOf: nil)
      let lines = try Accounting(facts: facts, patient: patient).lines(span, reader)
      return AccountingReport(lines: lines, period: span, head: reader.head)
    }
  }
}

/// What of one patient's uses has to be accounted for.
private struct Accounting {
  let facts: Facts
  let kin: Set<PatientID>
  private let wrong: Set<RecordReference>
  private let images: [ImageKey: ImageRecord]

  init(facts: Facts, patient: PatientID) {
    self.facts = facts
    kin = Self.kin(of: patient, in: facts)
    let standing = Set(facts.standing(facts.enteredInError, .enteredInError, \.id).map(\.id))
    wrong = Set(facts.enteredInError.filter { standing.contains($0.id) }.map(\.target))
    let kin = kin
    images = Dictionary(
      facts.standingImages().filter { kin.contains($0.patient) }.map { ($0.key, $0) }
    ) { first, _ in first }
  }

  func lines(_ span: Range<Instant>, _ reader: any FactReader) throws -> [DisclosureLine] {
    let reports = try reader.useReports(of: Set(images.keys), span)
    let notMade = Set(reports.filter { !$0.wasUsed }.compactMap(Answered.init))
    var lines: [DisclosureLine] = []
    for patient in kin.sorted() {
      let filter = DecisionFilter(
        from: span.lowerBound, until: span.upperBound, patient: patient, usesOnly: true)
      try reader.forEachDecision(filter) { logged in
        for answer in logged.answers where answer.effect == .permit {
          guard let line = self.line(answer),
            !notMade.contains(Answered(decision: logged.id, image: answer.image))
          else { continue }
          lines.append(line)
        }
      }
    }
    for report in reports where report.wasUsed {
      if let line = try self.line(report, reader) { lines.append(line) }
    }
    lines += try reader.disclosures(of: kin, span).map(DisclosureLine.init)
    return lines.enumerated().sorted { a, b in
      (a.element.at, a.offset) < (b.element.at, b.offset)
    }.map(\.element)
  }

  /// One image of one decision.
  private struct Answered: Hashable {
    var decision: DecisionID
    var image: ImageKey

    init(decision: DecisionID, image: ImageKey) {
      self.decision = decision
      self.image = image
    }

    init?(_ report: UseReport) {
      guard let decision = report.decision else { return nil }
      self.init(decision: decision, image: report.image)
    }
  }

  /// A permitted use; `nil` if it need not be accounted for.
  private func line(_ answer: ImageAnswer) -> DisclosureLine? {
    let request = answer.request
    guard request.audience?.isOutside ?? false else { return nil }
    if answer.reason.excludes(with: request.use), !isVoid(answer) { return nil }
    return DisclosureLine(
      at: answer.at, stated: nil, recipient: request.recipient,
      information: information(answer.image),
      purpose: Self.purpose(request.use, request.channel), source: .decision(answer.logged.id))
  }

  /// A use reported afterwards: without a decision, or against a DENY.
  private func line(
    _ report: UseReport, _ reader: any FactReader
  ) throws -> DisclosureLine? {
    guard report.audience.isOutside else { return nil }
    if let decision = report.decision {
      // A permitted one is accounted for by its decision.
      let answer = try reader.decision(decision)?.answers.first { $0.image == report.image }
      guard answer?.effect != .permit else { return nil }
    } else {
      let asked = CheckRequest(
        image: report.image, use: report.use, audience: report.audience,
        channel: report.channel, actor: report.actor, recipient: report.recipient, intent: .use)
      let hindsight = decide(asked, caller: CallerLimits(), facts: facts, at: report.happened)
      if hindsight.effect == .permit, hindsight.primary.excludes(with: report.use) { return nil }
    }
    return DisclosureLine(
      at: report.happened, stated: nil, recipient: report.recipient,
      information: information(report.image), purpose: Self.purpose(report.use, report.channel),
      source: .useReport(report.id, report.decision))
  }

  /// Whether nothing is left of what the PERMIT rested on. Of a group the log does not say which
  /// image rests on which paper: one paper that falls is enough, so that none is left out.
  private func isVoid(_ answer: ImageAnswer) -> Bool {
    let basis = answer.logged.entry.decision.records.filter { $0.part == .basis }
    guard !basis.isEmpty else { return false }
    let decision = answer.logged.entry.decision
    func isVoid(_ record: DecidingRecord) -> Bool {
      if wrong.contains(record.record) { return true }
      guard let grant = record.grant else { return false }
      return facts.standing(facts.revocations, .revocation, \.id).contains { revocation in
        revocation.grants.contains(grant) && revocation.received <= decision.at
          && revocation.stamp.position > decision.position
      }
    }
    return answer.logged.entry.group == nil
      ? basis.allSatisfy(isVoid) : basis.contains(where: isVoid)
  }

  /// Brief, and without the patient's name: the accounting is the patient's own.
  private func information(_ key: ImageKey) -> String {
    guard let image = images[key] else { return "image \(key.text)" }
    let what = [image.modality, image.bodyPart].compactMap { $0 }.joined(separator: " ")
    let when = image.acquiredDay.map { " of \($0)" } ?? ""
    return "\(what.isEmpty ? "image" : what + " image")\(when), \(key.text)"
  }

  private static func purpose(_ use: Use?, _ channel: Channel?) -> String {
    [use?.name, channel?.name].compactMap { $0 }.joined(separator: ", ")
  }

  /// A patient with all registrations ever merged with it.
  private static func kin(of patient: PatientID, in facts: Facts) -> Set<PatientID> {
    var kin: Set<PatientID> = [patient]
    var size = 0
    while size < kin.count {
      size = kin.count
      for merge in facts.merges where kin.contains(merge.survivor) || kin.contains(merge.merged) {
        kin.formUnion([merge.survivor, merge.merged])
      }
    }
    return kin
  }
}

extension Audience {
  /// Whether giving to it is a disclosure (45 CFR 160.103); trainees are workforce.
  fileprivate var isOutside: Bool { self != .ownWorkforce && self != .traineesSupervised }
}

extension Reason {
  /// Whether a PERMIT with this reason is among what 164.528(a)(1) leaves out. A reason that is not
  /// named here is accounted for.
  fileprivate func excludes(with use: Use?) -> Bool {
    switch self {
    // (i) treatment and operations, 164.506, with or without a consent.
    case .treatmentNoAuthorizationRequired, .operationsNoAuthorizationRequired, .part2Internal:
      true
    case .consentValid: true
    // An emergency opens treatment uses only.
    case .emergencyOverride, .part2MedicalEmergency: use?.isTreatment ?? false
    // (ii).
    case .individualAccess: true
    // (iv).
    case .authorizationValid: true
    // Not protected health information, 164.502(d)(2).
    case .notPHIDeidentified: true
    default: false
    }
  }
}

extension DisclosureLine {
  fileprivate init(_ disclosure: Disclosure) {
    self.init(
      at: disclosure.at, stated: disclosure.disclosed, recipient: disclosure.recipient,
      information: disclosure.information, purpose: disclosure.purpose,
      source: .recorded(disclosure.id))
  }
}
