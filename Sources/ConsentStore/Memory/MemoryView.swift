internal import ConsentCore
internal import ProofLog

/// A register as a reader and writer see it.
final class MemoryView: FactWriter {
  var register: MemoryRegister
  let now: Instant
  private let caller: String

  init(_ register: MemoryRegister, clock: Instant, caller: String = "") {
    self.register = register
    now = max(clock, register.head.known)
    self.caller = caller
  }

  var organization: OrganizationSettings { register.settings }
  var head: FeedHead { register.head }

  func facts(images: [ImageKey], asOf position: UInt64?) throws -> Facts {
    register.facts(images: images, patients: [], asOf: position)
  }

  func facts(patients: [PatientID], asOf position: UInt64?) throws -> Facts {
    register.facts(images: [], patients: patients, asOf: position)
  }

  func organizationFacts(asOf position: UInt64?) throws -> Facts {
    register.organizationFacts(asOf: position)
  }

  func images(study uid: String) throws -> [ImageKey] { currentKeys { $0.studyUID == uid } }

  func images(series uid: String) throws -> [ImageKey] { currentKeys { $0.seriesUID == uid } }

  private func currentKeys(where matches: (ImageRecord) -> Bool) -> [ImageKey] {
    register.placesByImage.keys.filter { register.current($0).map(matches) ?? false }.sorted()
  }

  func patients(after cursor: PatientID?, limit: Int) throws -> [PatientID] {
    let registered = Set(
      register.records.compactMap { record, _ -> PatientID? in
        guard case .patient(let patient) = record else { return nil }
        return patient.id
      })
    let after = registered.filter { id in cursor.map { $0 < id } ?? true }
    return Array(after.sorted().prefix(max(0, limit)))
  }

  func patient(of record: RecordReference) throws -> PatientID? {
    guard let place = register.placeByReference[record] else { return nil }
    if case .image(let image) = register.records[place].record { return image.patient }
    return switch register.records[place].subject {
    case .organization: nil
    case .patient(let patient): patient
    case .patients(let survivor, _): survivor
    case .image(let key): register.current(key)?.patient
    }
  }

  func patient(ofGrant grant: GrantID) throws -> PatientID? {
    guard let place = register.instrumentPlaceByGrant[grant],
      case .instrument(let instrument) = register.records[place].record
    else { return nil }
    return instrument.patient
  }

  func position(knownAt instant: Instant) throws -> UInt64 {
    register.feed.last { $0.known <= instant }?.position ?? 0
  }

  func feed(after position: UInt64, limit: Int) throws -> [FeedRow] {
    guard position < register.head.position else { return [] }
    return Array(register.feed[Int(position)...].prefix(max(0, limit)))
  }

  func head(at position: UInt64) throws -> FeedHead? { register.head(at: position) }

  func patientsWithDueWork(at instant: Instant, limit: Int) throws -> [PatientID] {
    var first: [PatientID: Instant] = [:]
    for due in register.due() where due.at <= instant {
      first[due.patient] = min(first[due.patient] ?? due.at, due.at)
    }
    let order = first.sorted { ($0.value, $0.key) < ($1.value, $1.key) }
    return Array(order.map(\.key).prefix(max(0, limit)))
  }

  func nextDue(after instant: Instant) throws -> Instant? {
    register.due().map(\.at).filter { $0 > instant }.min()
  }

  func grantEnds(of grants: [GrantID]) throws -> [GrantEnd] {
    let wanted = Set(grants)
    return register.ends.values.filter { wanted.contains($0.grant) }
      .sorted { ($0.grant, $0.version) < ($1.grant, $1.version) }
  }

  func hasEvent(kind: EventKind, subject: String) throws -> Bool {
    let id = FeedChain.eventID(organization: organization.id, kind: kind, subject: subject)
    return register.eventPositions[id] != nil
  }

  func identity(of patient: PatientID) throws -> PatientIdentity? { register.identities[patient] }

  func patients(identifiedBy identifier: Identifier) throws -> [PatientID] {
    patients(by: IdentityLookup.term(identifier: identifier))
  }

  func patients(name: String, birthDate: LocalDay?) throws -> [PatientID] {
    patients(by: IdentityLookup.term(name: name, birthDate: birthDate))
  }

  private func patients(by term: [UInt8]) -> [PatientID] {
    register.identities.filter { IdentityLookup.terms(of: $0.value).contains(term) }
      .map(\.key).sorted()
  }

  func decision(_ id: DecisionID) throws -> LoggedDecision? {
    register.logged.first { $0.id == id }
  }

  func decisions(_ filter: DecisionFilter, limit: Int) throws -> [LoggedDecision] {
    let found = register.logged.filter(filter.matches).sorted {
      ($0.entry.decision.at, $0.id.log, $0.id.leaf) < ($1.entry.decision.at, $1.id.log, $1.id.leaf)
    }
    return Array(found.prefix(max(0, limit)))
  }

  func logs(_ selection: LogSelection) throws -> [LogSummary] {
    [register.log, register.activity].filter { $0.tree.size > 0 }.compactMap { log -> LogSummary? in
      if case .one(let id) = selection, id != log.id { return nil }
      var summary = LogSummary(
        id: log.id, epoch: log.epoch, size: log.tree.size, root: log.tree.root, recorded: now,
        hasEnded: false)
      summary.kind = UInt8(clamping: log.kind.rawValue)
      summary.verifierKey = register.logSigner?.verifierKey
      if !log.signature.isEmpty {
        summary.signed = .init(size: log.tree.size, root: log.tree.root, signature: log.signature)
      }
      return summary
    }.sorted { $0.id < $1.id }
  }

  func logRecord(_ id: DecisionID) throws -> [UInt8]? {
    if let activity = register.activities.first(where: { $0.id == id }) {
      return ActivityRecord(
        organization: organization.id, id: id, head: activity.head, activity: activity.activity
      ).bytes
    }
    return try decision(id).map {
      LogRecord(organization: organization.id, id: id, head: $0.head, entry: $0.entry).bytes
    }
  }

  func batches(
    of log: ID<DecisionLog>, _ range: Range<UInt64>, _ body: (LogBatch) throws -> Void
  ) throws {
    var tree = MerkleTree()
    for leaf in 0..<range.upperBound {
      guard let record = try logRecord(DecisionID(log: log, leaf: leaf)) else {
        throw StoreError.unreadable("a leaf of a log is missing")
      }
      tree.append(.leaf(record))
      guard leaf >= range.lowerBound else { continue }
      try body(
        LogBatch(firstLeaf: leaf, root: tree.root, records: [record[...]]))
    }
  }

  func append(_ change: Change) throws -> [UInt64] {
    try register.append(change, known: now, by: caller)
  }

  func put(identity: PatientIdentity, of patient: PatientID, record: RecordID) throws {
    register.identities[patient] = identity
  }

  func log(_ entries: [DecisionEntry]) throws -> [LoggedDecision] { try log(entries, at: head) }

  func log(_ entries: [DecisionEntry], at head: FeedHead) throws -> [LoggedDecision] {
    guard !entries.isEmpty else { return [] }
    var state = register.log
    _ = try PackedRecords(
      entries.map { DecisionBatch.Item(entry: $0, head: head) }, onto: &state,
      organization: organization.id)
    var receipt = LogReceipt(
      treeSize: state.tree.size, root: state.tree.root, epoch: state.epoch)
    if let signer = register.logSigner {
      receipt.signature = receipt.signature(
        by: signer, organization: organization.id, log: state.id)
    }
    let logged = entries.enumerated().map { offset, entry in
      LoggedDecision(
        id: DecisionID(log: state.id, leaf: register.log.nextLeaf + UInt64(offset)),
        entry: entry, head: head, receipt: receipt)
    }
    state.signature = receipt.signature
    register.log = state
    register.logged += logged
    return logged
  }

  func useReports(of images: Set<ImageKey>, _ period: Range<Instant>) throws -> [UseReport] {
    register.useReports.filter { images.contains($0.image) && period.contains($0.happened) }
      .sorted { ($0.happened, $0.id) < ($1.happened, $1.id) }
  }

  func disclosures(
    of patients: Set<PatientID>, _ period: Range<Instant>
  ) throws -> [Disclosure] {
    register.disclosures.filter { patients.contains($0.patient) && period.contains($0.at) }
      .sorted { ($0.at, $0.id) < ($1.at, $1.id) }
  }

  func put(disclosure: Disclosure) throws {
    guard !register.disclosures.contains(where: { $0.id == disclosure.id }) else {
      throw InvalidChange("the disclosure is recorded already")
    }
    register.disclosures.append(disclosure)
  }

  func put(useReports: [UseReport]) throws {
    var recorded = Set(register.useReports.map(\.id))
    guard useReports.allSatisfy({ recorded.insert($0.id).inserted }) else {
      throw InvalidChange("the use report is recorded already")
    }
    register.useReports += useReports
  }
}
