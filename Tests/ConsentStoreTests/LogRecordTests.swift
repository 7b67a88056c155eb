import ConsentCore
import ProofLog
import Testing

@testable import ConsentStore

/// The byte form of a log record: what is forgotten in it is neither proven nor read back.
@Suite struct LogRecordTests {
  static let seed = UInt64.random(in: 0...UInt64.max)

  @Test func randomRecordsComeBack() {
    var generator = SeededGenerator(seed: Self.seed)
    for _ in 0..<400 {
      let record = RandomRecord.record(using: &generator)
      let bytes = record.bytes
      #expect(LogRecord(bytes) == record, "seed \(Self.seed)")
      #expect(bytes == record.bytes, "seed \(Self.seed)")
    }
  }

  /// What records are found by is read off their bytes; reading them whole is the model.
  @Test func whatARecordIsFoundByIsReadWithoutTheRest() throws {
    var generator = SeededGenerator(seed: Self.seed)
    var keys: [LookupKey] = []
    for _ in 0..<400 {
      let record = RandomRecord.record(using: &generator)
      let bytes = record.bytes
      keys = []
      let read = LogRecordFields(bytes.span, keys: &keys)
      let fields = try #require(read, "seed \(Self.seed)")
      let decision = record.entry.decision
      #expect(fields.organization == record.organization && fields.id == record.id)
      #expect(fields.at == decision.at && fields.position == decision.position)
      #expect(fields.isPermit == (decision.effect == .permit))
      #expect(fields.isUse == (record.entry.request.intent == .use))
      #expect(Set(keys) == Self.keys(of: record.entry), "seed \(Self.seed)")
      let count = Int.random(in: bytes.indices, using: &generator)
      let short = bytes[..<count]
      let none = LogRecordFields(short.span, keys: &keys)
      #expect(none == nil, "seed \(Self.seed)")
      var changed = bytes
      changed[count] ^= UInt8.random(in: 1...255, using: &generator)
      _ = LogRecordFields(changed.span, keys: &keys)
    }
  }

  private static func keys(of entry: DecisionEntry) -> Set<LookupKey> {
    var keys: Set = [LookupKey(reason: entry.decision.primary.rawValue)]
    if let patient = entry.patient { keys.insert(LookupKey(patient)) }
    for image in entry.group?.images ?? [entry.request.image] { keys.insert(LookupKey(image)) }
    if let actor = entry.request.actor { keys.insert(LookupKey(actor: actor.user)) }
    guard entry.decision.effect == .permit else { return keys }
    for record in entry.decision.records where record.part == .basis {
      if let grant = record.grant { keys.insert(LookupKey(grant)) }
    }
    return keys
  }

  /// What is read is written again to the same bytes: no two forms for one record.
  @Test func changedBytesAreRefusedOrAreAnotherRecord() {
    var generator = SeededGenerator(seed: Self.seed)
    for _ in 0..<40 {
      let record = RandomRecord.record(using: &generator)
      let bytes = record.bytes
      for count in bytes.indices { #expect(LogRecord(bytes[..<count]) == nil) }
      #expect(LogRecord(bytes + [0]) == nil)
      for _ in 0..<60 {
        var changed = bytes
        let place = Int.random(in: bytes.indices, using: &generator)
        changed[place] ^= UInt8.random(in: 1...255, using: &generator)
        guard let other = LogRecord(changed) else { continue }
        #expect(other.bytes == changed, "seed \(Self.seed)")
        #expect(TreeHash.leaf(changed) != TreeHash.leaf(bytes))
      }
    }
    for _ in 0..<2_000 {
      let noise = (0..<Int.random(in: 0...200, using: &generator)).map { _ in
        UInt8.random(in: 0...255, using: &generator)
      }
      #expect(LogRecord(noise) == nil, "seed \(Self.seed)")
      #expect(LogRecord([2, 1] + noise) == nil, "seed \(Self.seed)")
    }
  }

  /// A length that claims more than there is asks for no memory.
  @Test func aHugeCountIsRefused() {
    var generator = SeededGenerator(seed: 1)
    let record = RandomRecord.record(using: &generator)
    let header = record.bytes.prefix(98)
    let huge: [UInt8] = [0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x7F]
    #expect(LogRecord(header + huge) == nil)
    #expect(LogRecord(header + [0x80, 0x00]) == nil)
    #expect(
      LogRecord(header + [0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 2]) == nil)
  }

  // MARK: Every field

  static let identifier = Identifier(system: "urn:s", value: "v")
  static let instant = Instant(microseconds: 1_900_000_000_000_001)
  static let full = LogRecord(
    organization: random(), id: DecisionID(log: random(), leaf: 77),
    head: FeedHead(
      position: 12, chain: (0..<32).map { UInt8($0) }, known: instant, factPosition: 11),
    entry: DecisionEntry(
      caller: "pacs",
      limits: CallerLimits(
        uses: [.education], audiences: [.external], channels: [.print], seesPart2: true),
      request: CheckRequest(
        image: Build.key(1), use: .education, audience: .external, channel: .publication,
        actor: Actor(
          user: identifier, role: .educator, npi: "1234567893", relationship: .careTeam,
          memberOf: [identifier]),
        recipient: Party(
          kind: .venue, identifier: identifier, name: "n", address: "a", memberOf: [identifier]),
        intent: .preview, patient: random(), encounter: "e", order: "o", workstation: "w",
        correlation: "c",
        emergency: EmergencyAttestation(attester: identifier, reason: "r", attested: instant)),
      decision: Decision(
        effect: .deny, primary: .authorizationIncomplete, further: [.refused],
        records: [
          DecidingRecord(
            part: .failed, record: RecordReference(kind: .instrument, id: random()),
            grant: random(), version: 3, reason: .authorizationIncomplete, defects: [.expiry],
            isPart2: true)
        ],
        obligations: [.reviewWithin(hours: 5)], policyVersion: 4, validUntil: instant,
        at: Instant(microseconds: 5), position: 9, rulesVersion: 2),
      patient: random(),
      group: DecisionEntry.GroupEntry(
        images: [Build.key(1), Build.key(2)], expectedCount: 3,
        differing: [.init(image: Build.key(2), effect: .permit, reason: .consentValid)])))

  @Test func everyFieldIsInTheBytes() throws {
    #expect(LogRecord(Self.full.bytes) == Self.full)
    // Each field at another value gives other bytes.
    for (name, change) in Self.changes {
      var changed = Self.full
      change(&changed)
      #expect(changed != Self.full, "\(name)")
      #expect(changed.bytes != Self.full.bytes, "\(name) is not in the record")
    }
  }

  /// The test above names every field there is, so that a new one cannot be forgotten.
  @Test func everyFieldIsNamed() {
    let named = Set(Self.changes.map(\.0))
    func visit(_ value: Any, _ path: String) {
      let mirror = Mirror(reflecting: value)
      if mirror.displayStyle == .optional {
        for child in mirror.children { visit(child.value, path) }
      } else if mirror.displayStyle == .collection {
        if named.contains(path) || path.hasSuffix("chain") { return }
        for child in mirror.children.prefix(1) { visit(child.value, path) }
        #expect(!mirror.children.isEmpty, "\(path) is empty in the sample")
      } else if mirror.displayStyle == .struct, !named.contains(path) {
        for child in mirror.children { visit(child.value, path + "." + (child.label ?? "")) }
        #expect(!mirror.children.isEmpty)
      } else {
        #expect(named.contains(path), "\(path) has no change in this test")
      }
    }
    for child in Mirror(reflecting: Self.full).children { visit(child.value, child.label ?? "") }
  }

  typealias Change = (inout LogRecord) -> Void

  struct Changes {
    var all: [(String, Change)] = []

    /// A change of the field, in a statement of its own, which compiles faster than a list.
    mutating func add(_ name: String, _ change: @escaping Change) { all.append((name, change)) }
  }

  static var changes: [(String, Change)] {
    var changes = Changes()
    headerChanges(&changes)
    requestChanges(&changes)
    decisionChanges(&changes)
    groupChanges(&changes)
    return changes.all
  }

  private static func headerChanges(_ changes: inout Changes) {
    changes.add("organization") { $0.organization.low ^= 1 }
    changes.add("id.log") { $0.id.log.low ^= 1 }
    changes.add("id.leaf") { $0.id.leaf += 1 }
    changes.add("head.position") { $0.head.position += 1 }
    changes.add("head.chain") { $0.head.chain[31] ^= 1 }
    changes.add("head.known") { $0.head.known.microseconds += 1 }
    changes.add("head.factPosition") { $0.head.factPosition += 1 }
    changes.add("entry.caller") { $0.entry.caller += "x" }
    changes.add("entry.limits.uses") { $0.entry.limits.uses.insert(.research) }
    changes.add("entry.limits.audiences") { $0.entry.limits.audiences.insert(.individual) }
    changes.add("entry.limits.channels") { $0.entry.limits.channels.insert(.ehr) }
    changes.add("entry.limits.seesPart2") { $0.entry.limits.seesPart2 = false }
    changes.add("entry.patient") { $0.entry.patient = nil }
  }

  private static func requestChanges(_ changes: inout Changes) {
    changes.add("entry.request.image") { $0.entry.request.image = Build.key(9) }
    changes.add("entry.request.use") { $0.entry.request.use = nil }
    changes.add("entry.request.audience") { $0.entry.request.audience = nil }
    changes.add("entry.request.channel") { $0.entry.request.channel = nil }
    changes.add("entry.request.actor.user.system") { $0.entry.request.actor?.user.system = "x" }
    changes.add("entry.request.actor.user.value") { $0.entry.request.actor?.user.value = "x" }
    changes.add("entry.request.actor.role") { $0.entry.request.actor?.role = .trainee }
    changes.add("entry.request.actor.npi") { $0.entry.request.actor?.npi = nil }
    changes.add("entry.request.actor.relationship") {
      $0.entry.request.actor?.relationship = .onCall
    }
    changes.add("entry.request.actor.memberOf") { $0.entry.request.actor?.memberOf = [] }
    changes.add("entry.request.recipient.kind") { $0.entry.request.recipient?.kind = .person }
    changes.add("entry.request.recipient.identifier") {
      $0.entry.request.recipient?.identifier = nil
    }
    changes.add("entry.request.recipient.name") { $0.entry.request.recipient?.name = nil }
    changes.add("entry.request.recipient.address") { $0.entry.request.recipient?.address = "" }
    changes.add("entry.request.recipient.memberOf") { $0.entry.request.recipient?.memberOf = [] }
    changes.add("entry.request.intent") { $0.entry.request.intent = .use }
    changes.add("entry.request.patient") { $0.entry.request.patient = nil }
    changes.add("entry.request.encounter") { $0.entry.request.encounter = nil }
    changes.add("entry.request.order") { $0.entry.request.order = "" }
    changes.add("entry.request.workstation") { $0.entry.request.workstation = nil }
    changes.add("entry.request.correlation") { $0.entry.request.correlation = nil }
    changes.add("entry.request.emergency.attester.system") {
      $0.entry.request.emergency?.attester.system = ""
    }
    changes.add("entry.request.emergency.attester.value") {
      $0.entry.request.emergency?.attester.value = ""
    }
    changes.add("entry.request.emergency.reason") { $0.entry.request.emergency?.reason = "" }
    changes.add("entry.request.emergency.attested") {
      $0.entry.request.emergency?.attested.microseconds += 1
    }
  }

  private static func decisionChanges(_ changes: inout Changes) {
    changes.add("entry.decision.effect") { $0.entry.decision.effect = .permit }
    changes.add("entry.decision.primary") { $0.entry.decision.primary = .refused }
    changes.add("entry.decision.further") { $0.entry.decision.further = [] }
    changes.add("entry.decision.records.part") { $0.entry.decision.records[0].part = .basis }
    changes.add("entry.decision.records.record.kind") {
      $0.entry.decision.records[0].record.kind = .form
    }
    changes.add("entry.decision.records.record.id") {
      $0.entry.decision.records[0].record.id.high ^= 1
    }
    changes.add("entry.decision.records.grant") { $0.entry.decision.records[0].grant = nil }
    changes.add("entry.decision.records.version") { $0.entry.decision.records[0].version = -3 }
    changes.add("entry.decision.records.reason") { $0.entry.decision.records[0].reason = .refused }
    changes.add("entry.decision.records.defects") { $0.entry.decision.records[0].defects = [] }
    changes.add("entry.decision.records.isPart2") { $0.entry.decision.records[0].isPart2 = false }
    changes.add("entry.decision.obligations") {
      $0.entry.decision.obligations = [.reviewWithin(hours: 6)]
    }
    changes.add("entry.decision.policyVersion") { $0.entry.decision.policyVersion = 5 }
    changes.add("entry.decision.validUntil") { $0.entry.decision.validUntil = nil }
    changes.add("entry.decision.at") { $0.entry.decision.at.microseconds -= 10 }
    changes.add("entry.decision.position") { $0.entry.decision.position += 1 }
    changes.add("entry.decision.rulesVersion") { $0.entry.decision.rulesVersion = 1 }
  }

  private static func groupChanges(_ changes: inout Changes) {
    changes.add("entry.group.images") { _ = $0.entry.group?.images.removeLast() }
    changes.add("entry.group.expectedCount") { $0.entry.group?.expectedCount = nil }
    changes.add("entry.group.differing.image") { $0.entry.group?.differing[0].image = Build.key(3) }
    changes.add("entry.group.differing.effect") { $0.entry.group?.differing[0].effect = .deny }
    changes.add("entry.group.differing.reason") { $0.entry.group?.differing[0].reason = .refused }
  }
}
