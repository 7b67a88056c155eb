import ConsentCore
import ConsentProto

extension Instrument {
  /// A Part 2 consent tells that there are Part 2 records: it is shown to those with that right
  /// only (42 CFR 2.13(c)(2)).
  func isVisible(to caller: Principal) -> Bool {
    kind != .part2Consent || caller.limits.seesPart2
  }
}

extension Consent_V1_Grant {
  /// A grant as it stands at an instant.
  init(_ grant: Grant, of paper: Instrument, facts: Facts, at: Instant) {
    let status = facts.status(of: grant.id, at: at)
    self.init(
      grant, of: paper.id, state: status.map { $0.state.proto } ?? .unspecified,
      until: status?.ends)
    if let status { version = UInt64(clamping: status.version) }
  }
}

extension GrantStatus.State {
  var proto: Consent_V1_GrantState {
    switch self {
    case .active: .active
    case .notYetEffective: .notYetEffective
    case .expired: .expired
    case .revoked: .revoked
    case .enteredInError: .enteredInError
    case .falsified: .falsified
    case .restrictionEnded: .restrictionEnded
    // Permits nothing, denies as it says: a paper without authority or due for review is no better.
    case .defective, .majorityReview, .signerNoAuthority: .defective
    }
  }
}

extension Consent_V1_Instrument {
  /// A paper with its grants as they stand at an instant, and all that was recorded about it.
  init(_ paper: Instrument, facts: Facts, at: Instant) {
    self.init(paper)
    recordedBy = Consent_V1_Identifier(recorder: paper.stamp.by)
    fields.documentIds = paper.documentSHA256.map { ["sha256:" + $0] } ?? []
    grants = paper.grants.map { Consent_V1_Grant($0, of: paper, facts: facts, at: at) }
    defects = paper.defects.map { Consent_V1_InstrumentDefect($0, of: paper) }
    workItems = paper.workItems
    related = facts.records(about: paper).map {
      Consent_V1_RecordReference($0.reference, version: 1)
    }
  }
}

extension Instrument {
  /// What is still to be done, of a paper without defects.
  fileprivate var workItems: [Consent_V1_WorkItemKind] {
    guard defects.isEmpty else { return [] }
    var items: [Consent_V1_WorkItemKind] = []
    // 164.508(c)(4) asks it of an authorization.
    if kind == .authorization, copyGiven != true { items.append(.giveCopy) }
    if documentSHA256 == nil { items.append(.attachScan) }
    return items
  }
}

extension Facts {
  /// Records about a paper or its grants, in order of recording.
  fileprivate func records(about paper: Instrument) -> [Record] {
    let reference = Record.instrument(paper).reference
    let grants = Set(paper.grants.map(\.id))
    return records.filter { record in
      switch record {
      case .revocation(let r): !grants.isDisjoint(with: r.grants)
      case .enteredInError(let r): r.target == reference
      case .falseInformation(let r): r.instrument == paper.id
      case .authorityEvidence(let r): r.instrument == paper.id
      case .restrictionEnd(let r): r.instrument == paper.id
      default: false
      }
    }
    .sorted { ($0.stamp.position, $0.id) < ($1.stamp.position, $1.id) }
  }

  func instrument(_ id: InstrumentID) -> Instrument? { instruments.first { $0.id == id } }
}
